"""An HTTP endpoint on loopback that answers as it is told, well or badly."""

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.parser import BytesParser
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_MOST = 1 << 20


@dataclass(frozen=True, slots=True)
class Posted:
    """A request as it came."""

    target: str
    headers: Mapping[str, str]
    body: bytes


Answer: TypeAlias = "Callable[[socket.socket, Endpoint], None]"
"""Answers on a connection; what it leaves open is closed after it."""


class Endpoint:
    """Answers the n-th request with the n-th of ``answers``, and those after as the last.

    ``leaving`` is set when the block ends: answers that hang wait for it. One that ``greets`` says
    something before it is asked; with a ``certificate`` it speaks TLS.
    """

    def __init__(
        self, *answers: Answer, greets: bool = False, certificate: Path | None = None
    ) -> None:
        self._greets = greets
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._tls.load_cert_chain(certificate)
        self._answers = list(answers)
        self._last = answers[-1]
        self.posted: list[Posted] = []
        self.leaving = threading.Event()
        self._arrived = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/notifications"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leaving.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def wait_for(self, count: int) -> None:
        """Return when so many requests have come."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.posted) >= count, timeout=20)

    def _start(self, run: Callable[..., None], *given: object) -> None:
        thread = threading.Thread(target=run, args=given, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.leaving.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(10)
            try:
                if self._greets:
                    connection.sendall(b"220 hello\r\n")
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                posted = _read(connection)
                with self._arrived:
                    self.posted.append(posted)
                    answer = self._answers.pop(0) if self._answers else self._last
                    self._arrived.notify_all()
                answer(connection, self)
            except OSError:
                return  # the client has gone: it is allowed to


def _read(connection: socket.socket) -> Posted:
    got = b""
    while b"\r\n\r\n" not in got:
        part = connection.recv(65536)
        if not part:
            raise ConnectionError("no request")
        got += part
    head, _, body = got.partition(b"\r\n\r\n")
    line, _, rest = head.partition(b"\r\n")
    headers = {k.lower(): v for k, v in BytesParser().parsebytes(rest).items()}
    while len(body) < int(headers["content-length"]):
        body += connection.recv(65536)
    return Posted(line.split()[1].decode(), headers, body)


def status(code: int, *headers: str, body: bytes = b"") -> Answer:
    """Answer with a status."""
    lines = [f"HTTP/1.1 {code} X", f"content-length: {len(body)}", "connection: close", *headers]

    def answer(connection: socket.socket, endpoint: Endpoint) -> None:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return answer


def close_early(connection: socket.socket, endpoint: Endpoint) -> None:
    """Close in the middle of the status line."""
    connection.sendall(b"HTTP/1.1 20")


def hang(connection: socket.socket, endpoint: Endpoint) -> None:
    """Answer nothing."""
    endpoint.leaving.wait(30)


def trickle(connection: socket.socket, endpoint: Endpoint) -> None:
    """Send a header that never ends, byte by byte."""
    connection.sendall(b"HTTP/1.1 204 No Content\r\nx-slow: ")
    while not endpoint.leaving.wait(0.01):
        connection.sendall(b"a")


def endless(code: int) -> Answer:
    """Answer with a body that never ends."""

    def answer(connection: socket.socket, endpoint: Endpoint) -> None:
        connection.sendall(f"HTTP/1.1 {code} X\r\ncontent-length: {2**40}\r\n\r\n".encode())
        while not endpoint.leaving.is_set():
            connection.sendall(b"x" * 65536)

    return answer


def garbage(connection: socket.socket, endpoint: Endpoint) -> None:
    """Answer what is no HTTP."""
    connection.sendall(b"\x15\x03\x01\x00\x02\x02\x46")


def self_signed(folder: Path) -> Path:
    """Return a new certificate for 127.0.0.1, with its key, that nobody has signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "certificate.pem"
    file.write_bytes(private + certificate.public_bytes(pem))
    return file
