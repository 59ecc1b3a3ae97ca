"""The ways on which requests leave: a store for each, and what stands in between."""

import select
import socket
import socketserver
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit


class Forwarder:
    """Listens at `host` and passes connections on, byte by byte, to where it is told. Use as a context manager.

    Without `upstream` it is an HTTP proxy: CONNECT makes a tunnel, and a whole URL is asked for at its server. Whatever
    a name may be, the server is on loopback: so names can be tried that nobody resolves.
    """

    def __init__(self, host: str = "127.0.0.1", upstream: int | None = None, wants: str = "") -> None:
        self._upstream = upstream
        self._wants = wants
        self.heads: list[str] = []
        forwarder = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(OSError, ValueError):
                    forwarder._serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        self._server = Server((host, 0), Handler)
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, client: socket.socket) -> None:
        if self._upstream is not None:
            self._join(client, self._upstream, b"")
            return
        head, rest = _head_of(client)
        self.heads.append(head)
        method, target, _ = head.split(" ", 2)
        if self._wants and f"proxy-authorization: {self._wants}".lower() not in head.lower():
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        elif method == "CONNECT":
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._join(client, int(target.rpartition(":")[2]), rest)
        else:
            # The server takes the whole URL as well. One request a connection is enough here.
            place = urlsplit(target)
            lines = [line for line in head.split("\r\n")[1:] if not line.lower().startswith(("connection", "proxy-"))]
            path = target.removeprefix(f"{place.scheme}://{place.netloc}")
            told = "\r\n".join([f"{method} {path} HTTP/1.1", *filter(None, lines), "Connection: close", "", ""])
            self._join(client, place.port or 80, told.encode("latin-1") + rest)

    @staticmethod
    def _join(client: socket.socket, port: int, first: bytes) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            server.sendall(first)
            other = {client: server, server: client}
            while True:
                for readable in select.select(list(other), [], [])[0]:
                    piece = readable.recv(1 << 16)
                    if not piece:
                        return
                    other[readable].sendall(piece)


def _head_of(client: socket.socket) -> tuple[str, bytes]:
    heard = b""
    while b"\r\n\r\n" not in heard:
        piece = client.recv(1 << 16)
        if not piece:
            raise OSError("gone")
        heard += piece
    head, _, rest = heard.partition(b"\r\n\r\n")
    return head.decode("latin-1"), rest
