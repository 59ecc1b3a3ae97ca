"""Send events to a receiver over HTTP, signed."""

import hashlib
import hmac
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson

from processor.domain.notices import EventType, Notice, cloud_event
from processor.store.settings import is_unprotected

SIGNATURE = "X-Processor-Signature"
_CONTENT_TYPE = "application/cloudevents-batch+json"
_TIMEOUT_SECONDS = 10.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow none: what is signed for one receiver is for no other."""


class Webhook:
    """The receiver at `url`. `source` names this daemon's deliveries in every event."""

    def __init__(self, url: str, secret: str, source: str) -> None:
        self._url = url
        self._secret = secret.encode()
        self._source = source
        self._opener = urllib.request.build_opener(_NoRedirect)  # proxies are those of the environment

    @property
    def unprotected(self) -> bool:
        """Whether requests leave this host without TLS."""
        return is_unprotected(self._url)

    @property
    def host(self) -> str:
        """Return where it is, without what may be secret in the URL."""
        return urlsplit(self._url).netloc.rpartition("@")[2]

    def send(self, notices: Sequence[Notice]) -> str | None:
        """Send the events in one request; return why they were not taken, None when they were."""
        events = [cloud_event(notice, self._source, orjson.loads(notice.data)) for notice in notices]
        body = orjson.dumps(events)
        headers = {"Content-Type": _CONTENT_TYPE, "User-Agent": "processor"}
        if self._secret:
            headers[SIGNATURE] = signature(self._secret, int(time.time()), body)
        request = urllib.request.Request(self._url, body, headers, method="POST")  # noqa: S310 - http(s), by the settings
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS):
                return None
        except urllib.error.HTTPError as error:
            error.close()
            return f"{self.host} answers {error.code} {error.reason}"
        except (OSError, http.client.HTTPException, ValueError) as error:
            return f"{self.host}: {getattr(error, 'reason', error) or type(error).__name__}"

    def try_out(self) -> str | None:
        """Send an event that says nothing; return why it was not taken."""
        return self.send((Notice(0, time.time_ns() // 1_000_000, EventType.CHECK, "", "{}"),))


def signature(secret: bytes, seconds: int, body: bytes) -> str:
    """Return the header's value: the time, and HMAC-SHA256 (RFC 2104) in hex over time, a dot and the body."""
    return f"t={seconds},v1={hmac.new(secret, b'%d.' % seconds + body, hashlib.sha256).hexdigest()}"
