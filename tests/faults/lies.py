"""Answers that no store should give, and that some do."""

from collections.abc import Callable

from tests.faultproxy import Fault, Seen


def _raw(status: str, body: str = "", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", body]
    return "\r\n".join(lines).encode()


def _puts(seen: Seen) -> bool:
    return seen.method == "PUT"


def _looks(seen: Seen) -> bool:
    return seen.method == "HEAD"


def _writes(seen: Seen) -> bool:
    return seen.method in ("PUT", "POST")


def _any(_seen: Seen) -> bool:
    return True


_BARE = _raw("200 OK")
_PAGE = "<html><body>Please log in</body></html>"

LIES: tuple[tuple[str, Callable[[Seen], bool], Fault], ...] = (
    ("bare success, nothing stored", _puts, Fault(raw=_BARE)),
    ("bare success, stored", _puts, Fault(raw_after=_BARE)),
    ("bare success to a completion", lambda seen: seen.completes, Fault(raw=_BARE)),
    ("bare success to whatever is written", _writes, Fault(raw=_BARE)),
    ("a page", _writes, Fault(raw=_raw("200 OK", _PAGE, "Content-Type: text/html"))),
    ("led elsewhere", _writes, Fault(raw=_raw("302 Found", "", "Location: http://127.0.0.1:9/login"))),
    ("not found, without a code", _any, Fault(raw=_raw("404 Not Found", _PAGE, "Content-Type: text/html"))),
    ("a look that finds nothing", _looks, Fault(raw=_raw("404 Not Found"))),
    ("a look that is refused", _looks, Fault(raw=_raw("403 Forbidden"))),
    ("no tag", _any, Fault(strip=("etag",))),
    ("an error of its own", _any, Fault(answer=(500, "InternalError"))),
    ("a conflict", _writes, Fault(answer=(409, "OperationAborted"))),
    ("slower, please", _any, Fault(answer=(503, "SlowDown"))),
    ("the answer is lost", _any, Fault(lose_response=True)),
    ("cut off", _puts, Fault(reset_after_bytes=1000)),
    ("a damaged byte", _puts, Fault(flip_byte_at=7)),
    ("late", _any, Fault(delay_seconds=2.0)),
)
