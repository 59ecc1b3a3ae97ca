"""A receiver of events: takes what comes, or refuses as it is told to."""

import http.server
import json
import threading
from collections.abc import Mapping
from typing import Any


class Receiver:
    """Listens on loopback until `close`. `refuse` requests are answered with 500 before any is taken."""

    def __init__(self, port: int = 0, refuse: int = 0) -> None:
        self.requests: list[tuple[Mapping[str, str], bytes]] = []  # all, those that were refused included
        self.taken: list[dict[str, Any]] = []
        self.refuse = refuse
        self.hold: threading.Event | None = None  # an answer waits for it
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((dict(self.headers), body))
                if receiver.hold is not None:
                    receiver.hold.wait(60)
                if receiver.refuse > 0:
                    receiver.refuse -= 1
                    self.send_response(500)
                else:
                    receiver.taken += json.loads(body)
                    self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    def of(self, subject: str) -> list[str]:
        return [each["type"] for each in self.taken if each.get("subject") == subject]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
