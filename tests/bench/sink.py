"""A store that keeps no bodies: as cheap as one can be, so that what is measured is what delivers.

It speaks as much of S3 as deliveries of small files need, and sees to the body's SHA-256 as signed, so that the daemon
finds it protected. Run as a program it prints its port and serves until it is ended.
"""

import asyncio
import hashlib
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_XML = '<?xml version="1.0"?><{0} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{1}</{0}>'
_DATE = "Thu, 01 Jan 2026 00:00:00 GMT"
_kept: dict[str, tuple[int, str]] = {}  # size and ETag, by name below the bucket


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class _Connection(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self) -> None:
        self._heard = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while (end := self._heard.find(b"\r\n\r\n")) >= 0:
            first, *lines = self._heard[:end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            whole = end + 4 + int(headers.get("content-length", 0))
            if len(self._heard) < whole:
                if headers.get("expect") == "100-continue" and len(self._heard) == end + 4:
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            body = bytes(self._heard[end + 4 : whole])
            del self._heard[:whole]
            method, target, _ = first.split(" ")
            self._transport.write(_answer(method, target, headers, body))


def _answer(method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
    url = urlsplit(target)
    query = parse_qs(url.query, keep_blank_values=True)
    name = unquote(url.path).lstrip("/").partition("/")[2]
    match method:
        case "PUT":
            signed = headers.get("x-amz-content-sha256", "")
            if len(signed) == 64 and signed != hashlib.sha256(body).hexdigest():
                return _reply(400, "Bad Request", _XML.format("Error", "<Code>XAmzContentSHA256Mismatch</Code>"))
            etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
            if "partNumber" not in query:
                _kept[name] = len(body), etag
            return _reply(200, "OK", etag=etag)
        case "POST" if "uploads" in query:
            return _reply(200, "OK", _XML.format("InitiateMultipartUploadResult", "<UploadId>u</UploadId>"))
        case "POST":
            _kept[name] = 0, "-1"
            return _reply(200, "OK", _XML.format("CompleteMultipartUploadResult", '<ETag>"-1"</ETag>'))
        case "DELETE":
            _kept.pop(name, None)
            return _reply(204, "No Content")
        case "GET" if "uploads" in query:
            return _reply(200, "OK", _XML.format("ListMultipartUploadsResult", ""))
        case "GET" if "uploadId" in query:
            return _reply(200, "OK", _XML.format("ListPartsResult", "<IsTruncated>false</IsTruncated>"))
        case "GET":
            (prefix,) = query.get("prefix", [""])
            found = [f"<Contents><Key>{escape(each)}</Key></Contents>" for each in _kept if each.startswith(prefix)]
            listed = "".join(["<IsTruncated>false</IsTruncated>", *found])
            return _reply(200, "OK", _XML.format("ListBucketResult", listed))
        case _ if name and name not in _kept:
            return _reply(404, "Not Found")
        case _:
            return _reply(200, "OK", about=_kept.get(name))


def _reply(status: int, reason: str, document: str = "", etag: str = "", about: tuple[int, str] | None = None) -> bytes:
    """Return an answer with a document, or `about` what is kept."""
    body = document.encode()
    size, etag = about or (len(body), etag)
    tag = f'ETag: "{etag}"\r\n' if etag else ""
    head = f"HTTP/1.1 {status} {reason}\r\n{tag}Last-Modified: {_DATE}\r\nContent-Length: {size}\r\n\r\n"
    return head.encode() + body


if __name__ == "__main__":
    asyncio.run(serve())
