"""Classify the store's errors: this file, this try, the store.

The codes are those of the S3 API ("Error responses") and of the servers that speak it. A closed list of them is the
file's (its key, its size) or the try's (a digest, a busy store). All else is suspected of the store, of its settings or
of what stands before it: an outage, until a probe that looks like a delivery is taken (`actors.circuit`). A redirect,
an HTML page or a status without a code of S3's says nothing about the file.
"""

from collections.abc import Mapping
from typing import Any

from processor.domain.errors import STORE_REFUSED, DeliveryError, ErrorClass, Failure

DAMAGED = "store.damaged"  # bytes on the way to the store, or before they were sent

# The codes with which the daemon does not start.
MISTAKES = frozenset(
    {
        "store.aws-profile",
        "store.aws-config",
        "store.sso",
        "store.credential-process",
        "store.ca-bundle",
        "store.certificate",
        "store.not-tls",
        "store.endpoint",
    }
)

_LONGEST_WAIT_SECONDS = 3600.0
_LONGEST_MESSAGE = 1000  # what a stranger's server says may be long
_NO_STORE = "is there an S3 server at S3_ENDPOINT, and does nothing answer in its place?"
_CREDENTIALS = "check S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, or the role of this host"
_EXPIRED = "the credentials expired and were not renewed"
NO_CREDENTIALS = "store.no-credentials"
_NO_CREDENTIALS = "none are found, or who gives them does not answer: S3_ACCESS_KEY_ID, or the role of this host"
_RIGHT = "the credentials lack a right: see deploy/iam-policy.json"
_ON_THE_WAY = "bytes changed on the way to the store"
_ENCRYPTION = "check S3_SSE, S3_SSE_KMS_KEY_ID and the right to use that key (kms:GenerateDataKey, kms:Decrypt)"
_LIMIT = "something before the store limits a request's size: raise that limit, or lower S3_PART_SIZE"
_PROXY = "check HTTPS_PROXY, HTTP_PROXY (http://name:password@host:port, if it wants these) and NO_PROXY"
_FULL = "the store has no room left, or its quota is used up"

_Meaning = tuple[str, ErrorClass, str]  # our code, class, hint


def _meanings(code: str, error_class: ErrorClass, hint: str, *theirs: str) -> dict[str, _Meaning]:
    return dict.fromkeys(theirs, (code, error_class, hint))


# S3's error codes that are the file's: a closed list.
_OF_THE_FILE = {
    **_meanings("store.exists", ErrorClass.PERMANENT, "the key exists already", "PreconditionFailed"),
    **_meanings(
        "store.key-refused",
        ErrorClass.PERMANENT,
        "the path is too long for a key, or holds what this store takes in none",
        "KeyTooLongError",
        "KeyTooLong",
        "InvalidURI",
        "InvalidObjectName",
        "XMinioInvalidObjectName",
        "MetadataTooLarge",
    ),
    **_meanings(
        "store.too-large",
        ErrorClass.PERMANENT,
        "the store takes no object of this size",
        "EntityTooLarge",
        "MaxMessageLengthExceeded",
    ),
    **_meanings("store.no-object", ErrorClass.PERMANENT, "", "NoSuchKey"),
}

_OF_THE_TRY = {
    **_meanings(
        DAMAGED,
        ErrorClass.TRANSIENT,
        _ON_THE_WAY,
        "BadDigest",
        "InvalidDigest",
        "XAmzContentSHA256Mismatch",
        "XAmzContentChecksumMismatch",
        "IncompleteBody",
    ),
    **_meanings("store.slow", ErrorClass.TRANSIENT, "", "RequestTimeout"),
    **_meanings(
        "store.upload-gone",
        ErrorClass.TRANSIENT,
        "the upload was completed, aborted or cleaned away",
        "NoSuchUpload",
    ),
    **_meanings("store.part-gone", ErrorClass.TRANSIENT, "the store lost a part of the upload", "InvalidPart"),
    **_meanings(
        "store.throttled",
        ErrorClass.THROTTLED,
        "",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "RequestLimitExceeded",
    ),
}

_OF_THE_STORE = {
    **_meanings("store.no-bucket", ErrorClass.OUTAGE, "bucket not found: check S3_BUCKET", "NoSuchBucket"),
    **_meanings("store.no-bucket", ErrorClass.OUTAGE, "not a bucket's name: check S3_BUCKET", "InvalidBucketName"),
    **_meanings(
        "store.region",
        ErrorClass.OUTAGE,
        "the bucket is elsewhere: check S3_REGION",
        "PermanentRedirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
    ),
    **_meanings("store.denied", ErrorClass.OUTAGE, _RIGHT, "AccessDenied"),
    **_meanings(
        "store.denied",
        ErrorClass.OUTAGE,
        "the account is disabled or not signed up",
        "AllAccessDisabled",
        "AccountProblem",
        "NotSignedUp",
    ),
    **_meanings(
        "store.credentials",
        ErrorClass.OUTAGE,
        _CREDENTIALS,
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidToken",
        "InvalidSecurity",
    ),
    **_meanings(
        "store.credentials-expired",
        ErrorClass.OUTAGE,
        _EXPIRED,
        "ExpiredToken",
        "ExpiredTokenException",
        "TokenRefreshRequired",
        "RequestExpired",
    ),
    **_meanings("store.clock", ErrorClass.OUTAGE, "this host's clock is wrong: use NTP", "RequestTimeTooSkewed"),
    **_meanings("store.unavailable", ErrorClass.OUTAGE, "", "ServiceUnavailable", "ServerBusy"),
    **_meanings("store.internal", ErrorClass.OUTAGE, "", "InternalError"),
    **_meanings("store.conflict", ErrorClass.OUTAGE, "", "OperationAborted", "ConditionalRequestConflict"),
    **_meanings("store.full", ErrorClass.OUTAGE, _FULL, "XMinioStorageFull", "InsufficientStorage"),
    **_meanings(
        "store.storage-class",
        ErrorClass.OUTAGE,
        "this store has no such class: check S3_STORAGE_CLASS",
        "InvalidStorageClass",
    ),
    **_meanings(STORE_REFUSED, ErrorClass.OUTAGE, "this store does not do that", "NotImplemented"),
    **_meanings("store.proxy", ErrorClass.OUTAGE, _PROXY, "ProxyRefused"),
    **_meanings("store.tags", ErrorClass.OUTAGE, "check S3_TAGS", "InvalidTag"),
    **_meanings(
        "store.encryption",
        ErrorClass.OUTAGE,
        _ENCRYPTION,
        "InvalidEncryptionAlgorithmError",
        "InvalidEncryptionMethod",
        "ServerSideEncryptionConfigurationNotFoundError",
    ),
}

_KNOWN = _OF_THE_FILE | _OF_THE_TRY | _OF_THE_STORE

_BY_STATUS: dict[int, _Meaning] = {
    401: ("store.credentials", ErrorClass.OUTAGE, _CREDENTIALS),
    403: ("store.denied", ErrorClass.OUTAGE, _RIGHT),
    407: ("store.proxy", ErrorClass.OUTAGE, _PROXY),
    408: ("store.slow", ErrorClass.TRANSIENT, ""),
    409: ("store.conflict", ErrorClass.OUTAGE, ""),
    413: ("store.body-limit", ErrorClass.OUTAGE, _LIMIT),
    429: ("store.throttled", ErrorClass.THROTTLED, ""),
    500: ("store.internal", ErrorClass.OUTAGE, ""),
    507: ("store.full", ErrorClass.OUTAGE, _FULL),
}

# "Actions defined by Amazon S3", service authorization reference; by the name of the operation.
RIGHTS = {
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "ListParts": "s3:ListMultipartUploadParts",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListObjectsV2": "s3:ListBucket",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject and s3:ListBucket",  # without the second, what is not there is denied as well
    "GetObject": "s3:GetObject",
    "DeleteObject": "s3:DeleteObject",
}


def from_answer(response: Mapping[str, Any], what: str, operation: str = "") -> DeliveryError:
    """Return the error for an answer that is not success; `what` says what was tried, `operation` is its name."""
    error = response.get("Error") or {}
    metadata = response.get("ResponseMetadata") or {}
    headers = metadata.get("HTTPHeaders") or {}
    status = int(metadata.get("HTTPStatusCode") or 0)
    code = str(error.get("Code") or status)
    ours, error_class, hint = _meaning(code, status, operation)
    if ours == "store.denied" and operation in RIGHTS and hint == _RIGHT:
        hint = f"the credentials lack {RIGHTS[operation]}, or a policy of the bucket forbids it: deploy/iam-policy.json"
    elsewhere = f", and leads to {headers['location']}" if ours == "store.redirected" and "location" in headers else ""
    text = f"{what}: {error.get('Message') or code} [{code}]{elsewhere}"
    wait = _retry_after(headers)
    return DeliveryError(Failure(error_class, ours, text[:_LONGEST_MESSAGE], hint, wait))


def _meaning(code: str, status: int, operation: str) -> _Meaning:
    if code in _KNOWN:
        return _KNOWN[code]
    if code.startswith("KMS."):
        return "store.encryption", ErrorClass.OUTAGE, _ENCRYPTION
    if "quota" in code.lower():
        return "store.full", ErrorClass.OUTAGE, _FULL
    bare = code.isdigit()
    if bare and operation == "HeadObject" and status == 404:  # noqa: PLR2004 - a HEAD has no body to hold a code
        return "store.no-object", ErrorClass.PERMANENT, ""
    if bare and operation == "HeadBucket" and status == 404:  # noqa: PLR2004
        return _KNOWN["NoSuchBucket"]
    return _meaning_of_status(status, bare=bare)


def _meaning_of_status(status: int, *, bare: bool) -> _Meaning:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 300 <= status < 400:  # noqa: PLR2004
        return "store.redirected", ErrorClass.OUTAGE, "check S3_ENDPOINT and S3_REGION: no redirect is followed"
    if status >= 500:  # noqa: PLR2004
        return "store.unavailable", ErrorClass.OUTAGE, ""
    if bare:
        return "store.unexpected", ErrorClass.OUTAGE, _NO_STORE
    return STORE_REFUSED, ErrorClass.OUTAGE, ""


def no_answer(error: Exception, what: str, endpoint: str) -> DeliveryError:
    """Return the error for a request that got no answer: refused, reset, timed out, not resolved."""
    hint = f"check S3_ENDPOINT ({endpoint}) and the network"
    return DeliveryError(Failure(ErrorClass.OUTAGE, "store.unreachable", f"{what}: {error}", hint))


def no_credentials(error: Exception, what: str) -> DeliveryError:
    """Return the error for a request that could not be signed."""
    return DeliveryError(Failure(ErrorClass.OUTAGE, NO_CREDENTIALS, f"{what}: {error}", _NO_CREDENTIALS))


def mismatch(what: str, ours: object, theirs: object) -> DeliveryError:
    """Return the error for a store whose answer differs from what was computed here."""
    text = f"{what}: the store has {theirs}, sent was {ours}"
    return DeliveryError(Failure(ErrorClass.TRANSIENT, "store.mismatch", text, "bytes changed on the way to the store"))


def not_stored(what: str, size_bytes: int, theirs: object) -> DeliveryError:
    """Return the error for a store that says yes and has nothing: nobody takes such a word for a delivery."""
    text = f"{what}: the answer is a success that names nothing, and of {size_bytes} bytes the store then has {theirs}"
    return DeliveryError(Failure(ErrorClass.OUTAGE, "store.not-stored", text, _NO_STORE))


def no_etag(what: str) -> DeliveryError:
    """Return the error for an answer to a part that does not name it, without which nothing can be completed."""
    hint = "does a proxy before the store remove headers of its answers?"
    return DeliveryError(Failure(ErrorClass.OUTAGE, "store.no-etag", f"{what}: the answer has no ETag", hint))


def garbled(error: Exception, what: str) -> DeliveryError:
    """Return the error for an answer that is none of S3's."""
    text = f"{what}: the answer can not be understood ({type(error).__name__}: {error})"
    return DeliveryError(Failure(ErrorClass.OUTAGE, "store.unexpected", text[:_LONGEST_MESSAGE], _NO_STORE))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the delay in seconds that the answer asks for (RFC 9110, 10.2.3; dates are left to the back-off)."""
    try:
        return min(_LONGEST_WAIT_SECONDS, max(0.0, float(headers["retry-after"])))
    except (KeyError, ValueError):
        return None
