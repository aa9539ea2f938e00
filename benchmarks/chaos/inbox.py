"""The endpoint of the notifications, which can be made to fail in many ways."""

import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

WORKING, REFUSING, HANGING, CLOSING, REDIRECTING = "ok", "500", "hang", "close", "302"
MOODS = (REFUSING, HANGING, CLOSING, REDIRECTING)


class Inbox:
    """Keeps what is posted to ``url`` while its ``mood`` is `WORKING`; fails in another."""

    def __init__(self) -> None:
        self.mood = WORKING
        self.messages: dict[str, list[str]] = defaultdict(list)
        """The bodies that were accepted, by message id."""
        self.refused = 0
        self._working = threading.Event()
        self._working.set()
        self._lock = threading.Lock()
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = inbox._take(self.headers["x-mns-message-id"], body.decode())
                if not status:
                    self.close_connection = True
                    return
                self.send_response(status)
                if status == 302:
                    self.send_header("location", inbox.url + "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/told"

    def become(self, mood: str) -> None:
        """Answer in this way from now on."""
        self.mood = mood
        if mood == HANGING:
            self._working.clear()
        else:
            self._working.set()

    def _take(self, message_id: str, body: str) -> int:
        """Return the status to answer with; 0 closes the connection without one."""
        mood = self.mood
        if mood == WORKING:
            with self._lock:
                self.messages[message_id].append(body)
            return 204
        with self._lock:
            self.refused += 1
        if mood == HANGING:
            self._working.wait(60)
        return {REFUSING: 500, REDIRECTING: 302}.get(mood, 0)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, name="inbox")
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.become(WORKING)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
