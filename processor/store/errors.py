"""Classify the store's errors: this file, this try, the store.

The codes are those of the S3 API ("Error responses") and of the servers that speak it. What concerns every request
alike (no connection, wrong credentials, no bucket) is an outage: nothing is gained by failing one file after the
other. Whoever receives an outage asks the store once more by a request of its own (`S3Store.ping`): when that succeeds
the trouble was this request's after all.
"""

from typing import Any

from processor.domain.errors import DeliveryError, ErrorClass, Failure

DAMAGED = "store.damaged"  # bytes on the way to the store, or before they were sent

_CREDENTIALS = "check S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, or the role of this host"

# S3 error code: (our code, class, hint)
_KNOWN: dict[str, tuple[str, ErrorClass, str]] = {
    "NoSuchBucket": ("store.no-bucket", ErrorClass.OUTAGE, "bucket not found: check S3_BUCKET"),
    "InvalidBucketName": ("store.no-bucket", ErrorClass.OUTAGE, "not a bucket's name: check S3_BUCKET"),
    "PermanentRedirect": ("store.region", ErrorClass.OUTAGE, "the bucket is elsewhere: check S3_REGION"),
    "AuthorizationHeaderMalformed": ("store.region", ErrorClass.OUTAGE, "wrong region: check S3_REGION"),
    "AccessDenied": ("store.denied", ErrorClass.OUTAGE, "the credentials lack a right: see deploy/iam-policy.json"),
    "AllAccessDisabled": ("store.denied", ErrorClass.OUTAGE, "the account is disabled"),
    "InvalidAccessKeyId": ("store.credentials", ErrorClass.OUTAGE, _CREDENTIALS),
    "SignatureDoesNotMatch": ("store.credentials", ErrorClass.OUTAGE, _CREDENTIALS),
    "InvalidToken": ("store.credentials", ErrorClass.OUTAGE, _CREDENTIALS),
    "ExpiredToken": ("store.credentials-expired", ErrorClass.OUTAGE, "the credentials expired and were not renewed"),
    "ExpiredTokenException": ("store.credentials-expired", ErrorClass.OUTAGE, "renew the credentials"),
    "TokenRefreshRequired": ("store.credentials-expired", ErrorClass.OUTAGE, "renew the credentials"),
    "RequestTimeTooSkewed": ("store.clock", ErrorClass.OUTAGE, "this host's clock is wrong: use NTP"),
    "ServiceUnavailable": ("store.unavailable", ErrorClass.OUTAGE, ""),
    "XMinioStorageFull": ("store.full", ErrorClass.OUTAGE, "the store has no room left"),
    "QuotaExceeded": ("store.full", ErrorClass.OUTAGE, "the store's quota is used up"),
    "SlowDown": ("store.throttled", ErrorClass.THROTTLED, ""),
    "Throttling": ("store.throttled", ErrorClass.THROTTLED, ""),
    "ThrottlingException": ("store.throttled", ErrorClass.THROTTLED, ""),
    "TooManyRequests": ("store.throttled", ErrorClass.THROTTLED, ""),
    "RequestLimitExceeded": ("store.throttled", ErrorClass.THROTTLED, ""),
    "BadDigest": (DAMAGED, ErrorClass.TRANSIENT, "bytes changed on the way to the store"),
    "InvalidDigest": (DAMAGED, ErrorClass.TRANSIENT, "bytes changed on the way to the store"),
    "XAmzContentSHA256Mismatch": (DAMAGED, ErrorClass.TRANSIENT, "bytes changed on the way to the store"),
    "XAmzContentChecksumMismatch": (DAMAGED, ErrorClass.TRANSIENT, "bytes changed on the way to the store"),
    "IncompleteBody": (DAMAGED, ErrorClass.TRANSIENT, "bytes were lost on the way to the store"),
    "RequestTimeout": ("store.slow", ErrorClass.TRANSIENT, ""),
    "InternalError": ("store.internal", ErrorClass.TRANSIENT, ""),
    "OperationAborted": ("store.conflict", ErrorClass.TRANSIENT, ""),
    "ConditionalRequestConflict": ("store.conflict", ErrorClass.TRANSIENT, ""),
    "NoSuchUpload": ("store.upload-gone", ErrorClass.TRANSIENT, "the upload was completed, aborted or cleaned away"),
    "InvalidPart": ("store.part-gone", ErrorClass.TRANSIENT, "the store lost a part of the upload"),
    "PreconditionFailed": ("store.exists", ErrorClass.PERMANENT, "the key exists already"),
    "KeyTooLongError": ("store.key-refused", ErrorClass.PERMANENT, "the path is too long for a key"),
    "EntityTooLarge": ("store.too-large", ErrorClass.PERMANENT, "the store takes no object of this size"),
    "NoSuchKey": ("store.no-object", ErrorClass.PERMANENT, ""),
    "404": ("store.no-object", ErrorClass.PERMANENT, ""),
    "403": ("store.denied", ErrorClass.OUTAGE, "the credentials lack a right: see deploy/iam-policy.json"),
}

_BY_STATUS: dict[int, tuple[str, ErrorClass, str]] = {
    403: ("store.denied", ErrorClass.OUTAGE, "the credentials lack a right: see deploy/iam-policy.json"),
    408: ("store.slow", ErrorClass.TRANSIENT, ""),
    409: ("store.conflict", ErrorClass.TRANSIENT, ""),
    429: ("store.throttled", ErrorClass.THROTTLED, ""),
    500: ("store.internal", ErrorClass.TRANSIENT, ""),
    507: ("store.full", ErrorClass.OUTAGE, "the store has no room left"),
}


def from_answer(response: dict[str, Any], what: str) -> DeliveryError:
    """Return the error for an answer that is not success; `what` says what was tried."""
    error = response.get("Error", {})
    metadata = response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    code = str(error.get("Code", status))
    ours, error_class, hint = _meaning(code, status)
    text = f"{what}: {error.get('Message') or code} [{code}]"
    wait = _retry_after(metadata.get("HTTPHeaders", {}))
    return DeliveryError(Failure(error_class, ours, text, hint, wait))


def _meaning(code: str, status: int) -> tuple[str, ErrorClass, str]:
    if code in _KNOWN:
        return _KNOWN[code]
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:  # noqa: PLR2004 - HTTP's own line between them and us
        return "store.unavailable", ErrorClass.OUTAGE, ""
    return "store.refused", ErrorClass.PERMANENT, ""


def no_answer(error: Exception, what: str, endpoint: str) -> DeliveryError:
    """Return the error for a request that got no answer: refused, reset, timed out, not resolved."""
    hint = f"check S3_ENDPOINT ({endpoint}) and the network"
    return DeliveryError(Failure(ErrorClass.OUTAGE, "store.unreachable", f"{what}: {error}", hint))


def no_credentials(error: Exception, what: str) -> DeliveryError:
    """Return the error for a request that could not be signed."""
    return DeliveryError(Failure(ErrorClass.OUTAGE, "store.credentials", f"{what}: {error}", _CREDENTIALS))


def untrusted(error: Exception, what: str) -> DeliveryError:
    """Return the error for a store whose certificate is not trusted."""
    hint = "check S3_CA_BUNDLE, or whether somebody else answers at S3_ENDPOINT"
    return DeliveryError(Failure(ErrorClass.OUTAGE, "store.certificate", f"{what}: {error}", hint))


def mismatch(what: str, ours: object, theirs: object) -> DeliveryError:
    """Return the error for a store whose answer differs from what was computed here."""
    text = f"{what}: the store has {theirs}, sent was {ours}"
    return DeliveryError(Failure(ErrorClass.TRANSIENT, "store.mismatch", text, "bytes changed on the way to the store"))


def _retry_after(headers: dict[str, str]) -> float | None:
    """Return the delay in seconds that the answer asks for (RFC 9110, 10.2.3; dates are left to the back-off)."""
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, ValueError):
        return None


def unexpected(error: Exception, what: str) -> DeliveryError:
    """Return the error for a request that could not be made or an answer that could not be understood."""
    return DeliveryError(Failure(ErrorClass.TRANSIENT, "store.unexpected", f"{what}: {error}"))
