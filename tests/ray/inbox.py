"""An HTTP endpoint that receives notifications, and refuses as many first as it is told to."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


class Inbox:
    """Keeps what is posted to ``url``; ``refuse`` says how many of the next posts get a 500."""

    def __init__(self) -> None:
        self.refuse = 0
        self.attempts: list[tuple[str, dict[str, Any]]] = []
        self._arrived = threading.Condition()
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = inbox._take(self.headers["x-mns-message-id"], json.loads(body))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/notifications"

    def _take(self, message_id: str, envelope: dict[str, Any]) -> int:
        with self._arrived:
            self.attempts.append((message_id, envelope))
            refused, self.refuse = self.refuse > 0, max(0, self.refuse - 1)
            self._arrived.notify_all()
        return 500 if refused else 204

    def wait_for(self, message_id_count: int, task_id: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the attempts for a task once there are so many."""

        def mine() -> list[tuple[str, dict[str, Any]]]:
            return [a for a in self.attempts if task_id in a[1]["content"]]

        with self._arrived:
            assert self._arrived.wait_for(lambda: len(mine()) >= message_id_count, timeout=60)
            return mine()

    def __enter__(self) -> "Inbox":
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
