"""HTTP server of the dashboard: read-only pages, and retry.

Who may ask: whoever reaches the address, which is loopback unless told otherwise. A stranger's page in the same browser
can not: the Host must be an address or a known name (so no rebinding of names), and a change needs the token that only
our own pages carry, and an Origin of our own. Nothing is remembered in the browser: no cookies.
"""

import hmac
import ipaddress
import os
import secrets
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib import resources
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

from processor.commands.ledger import retry_by_daemon
from processor.config.settings import Settings
from processor.daemon.bounded_http import BoundedHTTPServer, BoundedRequest
from processor.daemon.control_socket import NotRunningError
from processor.dashboard.filters import filter_from
from processor.dashboard.pages import NotKnownError, Pages, chosen_for_retry
from processor.domain.keys import unescape
from processor.domain.status import Status

_LONGEST_FORM_BYTES = 64 << 10
_DIGITS = 16
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_STATIC = {
    "/style.css": "text/css; charset=utf-8",
    "/live.js": "text/javascript; charset=utf-8",
    "/icon.svg": "image/svg+xml",
}


class DashboardServer(BoundedHTTPServer):
    """Serves until `shutdown`; `names` are further host names under which it may be asked."""

    allow_reuse_address = True

    def __init__(self, settings: Settings, listen: str, names: Iterable[str] = ()) -> None:
        """Listen on `host:port`. Raises OSError, ValueError or OverflowError when that is not possible."""
        host, _, port = listen.rpartition(":")
        if not host:
            raise ValueError(f"{listen!r} is not host:port")
        if ":" in host:
            self.address_family = socket.AF_INET6
        self.settings = settings
        self.token = secrets.token_urlsafe(24)
        self.pages = Pages(settings, self.token)
        self.names = frozenset({"localhost", socket.gethostname().lower(), host.lower(), *map(str.lower, names)})
        super().__init__((host.strip("[]"), int(port)), _PageHandler)

    @property
    def url(self) -> str:
        """Return where it is."""
        host, port = self.server_address[:2]
        name = host.decode() if isinstance(host, bytes) else str(host)
        return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"


class _Refused(Exception):  # noqa: N818 - an answer, not an error
    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class _PageHandler(BoundedRequest, BaseHTTPRequestHandler):
    server: DashboardServer
    server_version = "processor"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer a page."""
        self._guarded(self._get)

    def do_HEAD(self) -> None:
        """Answer like do_GET, without the body."""
        self._guarded(self._get)

    def do_POST(self) -> None:
        """Do what a form asks for."""
        self._guarded(self._post)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Keep requests out of the output."""

    def _guarded(self, answer: Callable[[], None]) -> None:
        """Answer, or say what is the matter; whatever goes wrong costs this request alone."""
        try:
            self._check_host()
            answer()
        except _Refused as refusal:
            self._problem(refusal.status, str(refusal))
        except NotKnownError as error:
            self._problem(HTTPStatus.NOT_FOUND, str(error))
        except FileNotFoundError as error:
            self._problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        except ConnectionError:
            self.close_connection = True
        except Exception as error:  # noqa: BLE001 - the border
            traceback.print_exc(file=sys.stderr)
            self._problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}")

    def _check_host(self) -> None:
        name = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        with suppress(ValueError):
            ipaddress.ip_address(name)
            return
        if name.lower() not in self.server.names:
            raise _Refused(HTTPStatus.MISDIRECTED_REQUEST, "this name is not ours: see `processor dashboard --name`")

    def _get(self) -> None:
        url = urlsplit(self.path)
        arguments = dict(parse_qsl(url.query, keep_blank_values=True))
        pages = self.server.pages
        page = {
            "/": pages.home,
            "/now": pages.now,
            "/flights": pages.flights,
            "/chart": pages.chart,
            "/files": pages.files,
            "/file": pages.file,
            "/retry": pages.retry,
            "/feeds": pages.feeds,
            "/tables": pages.tables,
            "/objects": pages.objects,
            "/objects-part": pages.objects_part,
        }.get(url.path)
        if page is not None:
            self._answer(HTTPStatus.OK, page(arguments).encode("utf-8", "replace"), "text/html; charset=utf-8")
        elif url.path in _STATIC:
            content = resources.files("processor.dashboard").joinpath("static", url.path[1:]).read_bytes()
            self._answer(HTTPStatus.OK, content, _STATIC[url.path], cache="max-age=3600")
        else:
            raise _Refused(HTTPStatus.NOT_FOUND, "there is no such page")

    def _post(self) -> None:
        form = self._form()
        if urlsplit(self.path).path != "/retry":
            raise _Refused(HTTPStatus.NOT_FOUND, "there is no such order")
        path, until = form.get("path", ""), form.get("until_ms", "")
        if not path and not (until.isascii() and until.isdigit() and len(until) < _DIGITS):
            raise _Refused(HTTPStatus.BAD_REQUEST, "name a file, or answer the question")
        chosen = replace(filter_from(form), status=Status.FAILED)
        settings = self.server.settings
        paths = [Path(os.fsdecode(unescape(path)))] if path else chosen_for_retry(settings, chosen, int(until))
        done = f"done={self._retry(paths)}"
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", f"/file?path={quote(path)}&{done}" if path else f"/files?{chosen.link()}&{done}")
        self._end_headers(0)

    def _retry(self, paths: list[Path]) -> int:
        try:
            return sum(retry_by_daemon(self.server.settings, path) for path in paths)
        except NotRunningError:
            raise _Refused(HTTPStatus.SERVICE_UNAVAILABLE, "no daemon is running: start it, then try again") from None
        except (OSError, ValueError) as error:
            raise _Refused(HTTPStatus.BAD_GATEWAY, f"the daemon did not take the order: {error}") from error

    def _form(self) -> dict[str, str]:
        """Return the form of a request that comes from one of our own pages. Raises _Refused for any other."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or int(length) > _LONGEST_FORM_BYTES:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too much for a form")
        form = dict(parse_qsl(self.rfile.read(int(length)).decode("utf-8", "replace")))
        origin = self.headers.get("Origin")
        foreign = origin is not None and urlsplit(origin).netloc != self.headers.get("Host")
        if foreign or self.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            raise _Refused(HTTPStatus.FORBIDDEN, "another site may not give orders")
        if not hmac.compare_digest(form.get("token", "").encode(), self.server.token.encode()):
            raise _Refused(HTTPStatus.FORBIDDEN, "this page is of an earlier dashboard: load it again")
        return form

    def _problem(self, status: HTTPStatus, text: str) -> None:
        with suppress(ConnectionError):
            self._answer(status, self.server.pages.problem(text).encode("utf-8", "replace"), "text/html; charset=utf-8")

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str, cache: str = "no-store") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Cache-Control", cache)
        self._end_headers(len(body))
        if self.command != "HEAD":
            self.wfile.write(body)

    def _end_headers(self, length: int) -> None:
        self.send_header("Content-Length", str(length))
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "same-origin")
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()
