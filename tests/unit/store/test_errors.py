import pytest

from processor.domain.errors import ErrorClass
from processor.store.errors import from_answer


def answer(code: str, status: int, **headers: str) -> dict[str, object]:
    return {
        "Error": {"Code": code, "Message": "said so"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }


@pytest.mark.parametrize(
    ("code", "status", "error_class", "hint"),
    [
        ("NoSuchBucket", 404, ErrorClass.OUTAGE, "S3_BUCKET"),
        ("AccessDenied", 403, ErrorClass.OUTAGE, "iam-policy"),
        ("InvalidAccessKeyId", 403, ErrorClass.OUTAGE, "S3_ACCESS_KEY_ID"),
        ("RequestTimeTooSkewed", 403, ErrorClass.OUTAGE, "clock"),
        ("SlowDown", 503, ErrorClass.THROTTLED, ""),
        ("ServiceUnavailable", 503, ErrorClass.OUTAGE, ""),
        ("InternalError", 500, ErrorClass.TRANSIENT, ""),
        ("BadDigest", 400, ErrorClass.TRANSIENT, "on the way"),
        ("KeyTooLongError", 400, ErrorClass.PERMANENT, "path"),
        ("EntityTooLarge", 400, ErrorClass.PERMANENT, "size"),
        ("SomethingNew", 400, ErrorClass.PERMANENT, ""),
        ("SomethingNew", 429, ErrorClass.THROTTLED, ""),
        ("SomethingNew", 502, ErrorClass.OUTAGE, ""),
    ],
)
def test_an_answer_is_known_by_its_code_then_by_its_status(
    code: str, status: int, error_class: ErrorClass, hint: str
) -> None:
    failure = from_answer(answer(code, status), "store 'x'").failure
    assert failure.error_class is error_class
    assert hint in failure.hint
    assert "store 'x'" in failure.message


def test_the_wait_that_the_store_asks_for_is_carried_along() -> None:
    assert from_answer(answer("SlowDown", 503, **{"retry-after": "12"}), "x").failure.retry_after_seconds == 12
    assert from_answer(answer("SlowDown", 503, **{"retry-after": "soon"}), "x").failure.retry_after_seconds is None
