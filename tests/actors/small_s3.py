"""A small S3 on loopback: objects and multipart uploads in memory, digests checked, requests refused on demand."""

import base64
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from processor.domain.uploads import SMALLEST_PART_BYTES
from processor.store.s3 import S3Store
from processor.store.settings import StoreSettings

BUCKET = "bucket"
_BEGUN = "<Initiated>2026-01-01T00:00:00.000Z</Initiated>"
Refusal = Callable[[str, str], tuple[int, str] | None]


def _sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@dataclass
class Stored:
    body: bytes
    etag: str
    checksum: str
    headers: dict[str, str]


@dataclass
class Upload:
    key: str
    headers: dict[str, str]
    parts: dict[int, bytes] = field(default_factory=dict)


class SmallS3:
    """One bucket. `refuse(method, target)` returns status and code for a request that is to fail; None lets it pass."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, Upload] = {}
        self.requests: list[str] = []
        self.refuse: Refusal = lambda _method, _target: None
        self.before: Callable[[str, str], None] = lambda _method, _target: None
        self._last_id = 0
        self._lock = threading.Lock()
        server = self

        class Handler(_Handler):
            s3 = server

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def store(self) -> S3Store:
        return S3Store(
            StoreSettings(
                bucket=BUCKET,
                endpoint=f"http://127.0.0.1:{self._server.server_address[1]}",
                access_key_id="key",
                secret_access_key="secret",
                part_size_bytes=SMALLEST_PART_BYTES,
                read_timeout_seconds=10,
            )
        )

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def body(self, key: str) -> bytes:
        return self.objects[key].body

    def parts_sent(self) -> int:
        return sum("partNumber=" in request for request in self.requests)

    def begin(self, key: str, headers: dict[str, str]) -> str:
        with self._lock:
            self._last_id += 1
            id_ = f"upload-{self._last_id}"
        self.uploads[id_] = Upload(key, headers)
        return id_

    def complete(self, id_: str, numbers: list[int]) -> Stored:
        upload = self.uploads.pop(id_)
        parts = [upload.parts[number] for number in numbers]
        md5 = hashlib.md5(b"".join(bytes.fromhex(_md5(part)) for part in parts), usedforsecurity=False).hexdigest()
        checksum = _sha256(b"".join(hashlib.sha256(part).digest() for part in parts))
        stored = Stored(b"".join(parts), f"{md5}-{len(parts)}", f"{checksum}-{len(parts)}", upload.headers)
        self.objects[upload.key] = stored
        return stored


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    s3: SmallS3

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def _serve(self) -> None:
        place = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(place.query, keep_blank_values=True).items()}
        self.key = unquote(place.path.removeprefix(f"/{BUCKET}").removeprefix("/"))
        self.sent = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.s3.requests.append(f"{self.command} {self.path}")
        self.s3.before(self.command, self.path)
        refused = self.s3.refuse(self.command, self.path)
        if refused is not None:
            self._error(*refused)
        elif not self._is_sound():
            self._error(400, "BadDigest")
        else:
            getattr(self, f"_{self.command.lower()}")()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815 - http.server's names

    def _is_sound(self) -> bool:
        """Tell whether the body has the digests that came with it."""
        headers, digest = self.headers, hashlib.sha256(self.sent).hexdigest()
        md5 = headers.get("content-md5")
        return (
            headers.get("x-amz-checksum-sha256", _sha256(self.sent)) == _sha256(self.sent)
            and (md5 is None or base64.b64decode(md5).hex() == _md5(self.sent))
            and headers.get("x-amz-content-sha256", digest) in (digest, "UNSIGNED-PAYLOAD")
        )

    def _put(self) -> None:
        digests = {"ETag": f'"{_md5(self.sent)}"', "x-amz-checksum-sha256": _sha256(self.sent)}
        if "uploadId" in self.query:
            upload = self._upload()
            if upload is not None:
                upload.parts[int(self.query["partNumber"])] = self.sent
                self._answer(200, b"", digests)
        elif self.headers.get("if-none-match") == "*" and self.key in self.s3.objects:
            self._error(412, "PreconditionFailed")
        else:
            self.s3.objects[self.key] = Stored(self.sent, _md5(self.sent), _sha256(self.sent), self._described())
            self._answer(200, b"", digests)

    def _post(self) -> None:
        if "uploads" in self.query:
            id_ = self.s3.begin(self.key, self._described())
            self._xml("InitiateMultipartUploadResult", f"<UploadId>{id_}</UploadId>")
        elif self._upload() is not None:
            numbers = [int(each.text or "") for each in ET.fromstring(self.sent).iterfind(".//{*}PartNumber")]
            stored = self.s3.complete(self.query["uploadId"], numbers)
            told = f"<ETag>&quot;{stored.etag}&quot;</ETag><ChecksumSHA256>{stored.checksum}</ChecksumSHA256>"
            self._xml("CompleteMultipartUploadResult", told)

    def _delete(self) -> None:
        if "uploadId" in self.query:
            if self._upload() is None:
                return
            del self.s3.uploads[self.query["uploadId"]]
        else:
            self.s3.objects.pop(self.key, None)
        self._answer(204)

    def _head(self) -> None:
        self._get()

    def _get(self) -> None:
        if "uploadId" in self.query:
            upload = self._upload()
            if upload is not None:
                self._xml("ListPartsResult", "".join(_part(*each) for each in sorted(upload.parts.items())))
        elif not self.key:
            self._list()
        elif self.key not in self.s3.objects:
            self._error(404, "NoSuchKey")
        else:
            stored = self.s3.objects[self.key]
            digests = {
                "ETag": f'"{stored.etag}"',
                "x-amz-checksum-sha256": stored.checksum,
                "Last-Modified": self.date_time_string(),
            }
            self._answer(200, stored.body, stored.headers | digests)

    def _list(self) -> None:
        prefix = self.query.get("prefix", "")
        if "uploads" in self.query:
            found = [(each.key, id_) for id_, each in sorted(self.s3.uploads.items()) if each.key.startswith(prefix)]
            told = (
                f"<Upload><Key>{escape(key)}</Key><UploadId>{id_}</UploadId>{_BEGUN}</Upload>" for key, id_ in found
            )
            self._xml("ListMultipartUploadsResult", "<IsTruncated>false</IsTruncated>" + "".join(told))
        else:
            keys = [(key, len(each.body)) for key, each in sorted(self.s3.objects.items()) if key.startswith(prefix)]
            told = (f"<Contents><Key>{escape(key)}</Key><Size>{size}</Size></Contents>" for key, size in keys)
            self._xml("ListBucketResult", "<IsTruncated>false</IsTruncated>" + "".join(told))

    def _upload(self) -> Upload | None:
        """Return the open upload that is meant, or answer that there is none."""
        upload = self.s3.uploads.get(self.query["uploadId"])
        if upload is None or upload.key != self.key:
            self._error(404, "NoSuchUpload")
            return None
        return upload

    def _described(self) -> dict[str, str]:
        named = {name.lower(): value for name, value in self.headers.items()}
        return {name: value for name, value in named.items() if name == "content-type" or name.startswith("x-amz-meta")}

    def _xml(self, root: str, inner: str) -> None:
        self._answer(200, f'<{root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</{root}>'.encode())

    def _error(self, status: int, code: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code><Message>so it is told</Message></Error>".encode())

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, Any] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _part(number: int, body: bytes) -> str:
    told = f"<PartNumber>{number}</PartNumber><ETag>&quot;{_md5(body)}&quot;</ETag><Size>{len(body)}</Size>"
    return f"<Part>{told}<ChecksumSHA256>{_sha256(body)}</ChecksumSHA256></Part>"
