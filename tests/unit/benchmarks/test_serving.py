"""The store that serving is measured on, and the clients that measure it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.serving import own
from benchmarks.serving.load import DROPPED, send
from benchmarks.serving.requests import KINDS, LONG, on_the_wire, signed
from benchmarks.serving.store import DATASET, PROJECT, fill
from tests.wire.rig import HOST, Rig


def test_the_store_looks_like_one_that_has_lived(tmp_path: Path) -> None:
    filled = fill(tmp_path / "data", 2000)
    assert (filled.figures, filled.files, filled.clusters) == (2000, 1000, 200)
    names = {"ProjectName": PROJECT, "DatasetName": DATASET}
    with Rig(tmp_path / "data") as rig:
        rig.clock.now = None
        page = rig.call("QueryFigureClusters", WithTotalCount="true", **names)
        assert page["TotalCount"] == 200
        assert len(page["FigureClusters"]) == 100
        for cluster in page["FigureClusters"]:
            faces = cluster["Cover"]["Figures"]
            assert cluster["ObjectId"] in [face["FigureClusterId"] for face in faces]
            assert len(faces) == 2
        for kind in KINDS:
            assert rig.send(signed(kind, HOST)).status == 200


def test_the_stages_are_within_the_whole(tmp_path: Path) -> None:
    fill(tmp_path / "data", 100)
    with Rig(tmp_path / "data") as rig:
        rig.clock.now = None
        with own.timed() as spent:
            total = own.calls(rig, KINDS[0], 3)
    assert {"parse", "verify", "parameters", "nonce", "read", "serialise"} <= spent.keys()
    assert all(0 < ms < sum(total) for ms in spent.values())


def test_a_long_request_line_has_60_kb() -> None:
    (request,) = on_the_wire(LONG, HOST, 1)
    assert 60_000 < len(request.partition(b"\r\n")[0]) < 65_536


@contextmanager
def answering(*answers: bytes) -> Iterator[str]:
    """Serve one answer to each request, and then close; b"" closes without an answer."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        left = list(answers)
        while left:
            connection, _ = listening.accept()
            with connection:
                while left and connection.recv(65_536):
                    answer = left.pop(0)
                    connection.sendall(answer)
                    if not answer:
                        break

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        thread.join()
    finally:
        listening.close()


def test_each_answer_is_counted_and_a_dropped_connection_too() -> None:
    plain = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    chunked = b"HTTP/1.1 429 Slow\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    with answering(plain, b"", chunked, plain) as address:
        load = send(address, [b"GET / HTTP/1.1\r\n\r\n"] * 4, 1)
    assert load.answers == {200: 2, DROPPED: 1, 429: 1}
    figures = load.figures()
    assert figures["requests"] == 4
    assert figures["answers"] == {"200": 2, "0": 1, "429": 1}
