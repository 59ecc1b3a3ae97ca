"""PUT a body with our own signing, without boto3's cost.

Measured with 4 KiB bodies, the request through the client costs four times as much CPU; and its signature over plain
HTTP hashes every body once more. Only plain PUTs go this way (`Direct.takes`); anything unusual is the
client's. Answers and errors have the client's own form, so that nobody above knows the difference.
"""

import hashlib
import ssl
import xml.etree.ElementTree as ET  # the store's short error documents, as the client reads them
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

import boto3
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

from processor.store.body import Body, FilePart
from processor.store.settings import StoreSettings
from processor.store.signing import Signer
from processor.store.wire import Proxy, Wire

_OPERATIONS = {"put_object": "PutObject", "upload_part": "UploadPart"}

# The client's parameter: the header it becomes ("PutObject", "UploadPart", Amazon S3 API reference).
_HEADERS = {
    "ContentType": "content-type",
    "ContentMD5": "content-md5",
    "ChecksumSHA256": "x-amz-checksum-sha256",
    "StorageClass": "x-amz-storage-class",
    "ServerSideEncryption": "x-amz-server-side-encryption",
    "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
    "Tagging": "x-amz-tagging",
}
_OTHERS = {"Bucket", "Key", "Body", "Metadata", "UploadId", "PartNumber"}
_KNOWN = _OTHERS | _HEADERS.keys()
_OK = 200


@dataclass(frozen=True, slots=True)
class Direct:
    """PUTs to one bucket at `host`; `path` is the path of the bucket there, without a `/` at its end."""

    bucket: str
    host: str
    path: str
    signer: Signer
    wire: Wire
    credentials: Callable[[], Any]

    def takes(self, operation: str, parameters: Mapping[str, Any]) -> bool:
        """Tell whether this request can go this way."""
        return operation in _OPERATIONS and parameters.keys() <= _KNOWN and parameters["Bucket"] == self.bucket

    def put(self, operation: str, parameters: Mapping[str, Any], body_sha256: bytes | None) -> dict[str, Any]:
        """Make the request; raises ClientError, NoCredentialsError or urllib3's HTTPError."""
        body = parameters["Body"]
        target = f"{self.path}/{quote(parameters['Key'], safe='/~')}{_query(parameters)}"
        headers = _headers(parameters) | {"host": self.host, "content-length": str(len(body))}
        sha256 = (_sha256(body) if body_sha256 is None else body_sha256).hex()
        reply = self.wire.put(target, self.signer.signed(self._frozen(), "PUT", target, headers, sha256), body)
        metadata = {"HTTPStatusCode": reply.status, "HTTPHeaders": reply.headers}
        if reply.status != _OK:
            response: Any = _error(reply.document, reply.status) | {"ResponseMetadata": metadata}
            raise ClientError(response, _OPERATIONS[operation])
        return {
            "ETag": reply.headers.get("etag", ""),
            "ChecksumSHA256": reply.headers.get("x-amz-checksum-sha256"),
            "ResponseMetadata": metadata,
        }

    def close(self) -> None:
        """Close idle connections."""
        self.wire.close()

    def _frozen(self) -> Any:
        credentials = self.credentials()
        if credentials is None:
            raise NoCredentialsError
        return credentials.get_frozen_credentials()  # renews them when they are about to expire


def direct_to(settings: StoreSettings, session: boto3.Session, client: Any, ca_bundle: str | None) -> Direct | None:
    """Return the direct way to the settings' bucket; None where only the client knows the way (proxies, S3 Express)."""
    if settings.bucket.startswith("arn:") or settings.bucket.endswith("--x-s3"):
        return None
    if session.get_credentials() is None:
        return None
    signed = client.generate_presigned_url("put_object", {"Bucket": settings.bucket, "Key": "k"})
    base = signed.partition("?")[0].removesuffix("/k")
    place = urlsplit(base)
    try:
        proxy = proxy_to(base)
    except ValueError:
        return None
    return Direct(
        settings.bucket,
        place.netloc,
        place.path,
        Signer(client.meta.region_name),
        _wire(settings, place, ca_bundle, proxy),
        session.get_credentials,
    )


def proxy_to(url: str) -> Proxy | None:
    """Return the proxy that the environment names for this URL (HTTPS_PROXY, HTTP_PROXY, NO_PROXY), None for none.

    Raises ValueError when it is one that only the client knows how to speak to (over TLS itself).
    """
    named = get_environ_proxies(url).get(urlsplit(url).scheme)
    if not named:
        return None
    proxy = urlsplit(named if "://" in named else f"http://{named}")
    if proxy.scheme != "http" or not proxy.hostname:
        raise ValueError(named)
    name = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}"
    authorization = f"Basic {b64encode(name.encode()).decode()}" if proxy.username else ""
    return Proxy(proxy.hostname, proxy.port or 80, authorization)


def _wire(settings: StoreSettings, place: SplitResult, ca_bundle: str | None, proxy: Proxy | None) -> Wire:
    context, port = None, 80
    if place.scheme == "https":  # one context for all connections: loading the authorities takes a while
        context, port = ssl.create_default_context(cafile=ca_bundle or get_cert_path(True)), 443
    return Wire(
        place.hostname or "",
        place.port or port,
        context,
        settings.connect_timeout_seconds,
        settings.read_timeout_seconds,
        settings.max_connections,
        proxy,
    )


def _sha256(body: Body) -> bytes:
    return body.sha256() if isinstance(body, FilePart) else hashlib.sha256(body).digest()


def _query(parameters: Mapping[str, Any]) -> str:
    if "UploadId" not in parameters:
        return ""
    return f"?partNumber={parameters['PartNumber']}&uploadId={quote(parameters['UploadId'], safe='')}"


def _headers(parameters: Mapping[str, Any]) -> dict[str, str]:
    headers = {_HEADERS[name]: value for name, value in parameters.items() if name in _HEADERS}
    headers |= {f"x-amz-meta-{name}": value for name, value in parameters.get("Metadata", {}).items()}
    headers["user-agent"] = "processor"
    return headers


def _error(document: bytes, status: int) -> dict[str, Any]:
    """Return code and message of an error document; the status alone when it is none."""
    try:
        fields = {element.tag.rpartition("}")[2]: element.text or "" for element in ET.fromstring(document)}  # noqa: S314
    except ET.ParseError:
        fields = {}
    return {"Error": {"Code": fields.get("Code", str(status)), "Message": fields.get("Message", "")}}
