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
        ("InternalError", 500, ErrorClass.OUTAGE, ""),
        ("OperationAborted", 409, ErrorClass.OUTAGE, ""),
        ("KMS.DisabledException", 400, ErrorClass.OUTAGE, "S3_SSE_KMS_KEY_ID"),
        ("InvalidStorageClass", 400, ErrorClass.OUTAGE, "S3_STORAGE_CLASS"),
        ("InvalidTag", 400, ErrorClass.OUTAGE, "S3_TAGS"),
        ("XMinioAdminBucketQuotaExceeded", 400, ErrorClass.OUTAGE, "quota"),
        ("NotImplemented", 501, ErrorClass.OUTAGE, "does not"),
        ("BadDigest", 400, ErrorClass.TRANSIENT, "on the way"),
        ("KeyTooLongError", 400, ErrorClass.PERMANENT, "path"),
        ("EntityTooLarge", 400, ErrorClass.PERMANENT, "size"),
        ("SomethingNew", 400, ErrorClass.OUTAGE, ""),
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


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (301, "store.redirected", "S3_REGION"),
        (302, "store.redirected", "S3_ENDPOINT"),
        (307, "store.redirected", "S3_ENDPOINT"),
        (400, "store.unexpected", "S3_ENDPOINT"),
        (401, "store.credentials", "S3_ACCESS_KEY_ID"),
        (403, "store.denied", "s3:PutObject"),
        (404, "store.unexpected", "S3_ENDPOINT"),
        (405, "store.unexpected", "S3_ENDPOINT"),
        (407, "store.proxy", "HTTPS_PROXY"),
        (409, "store.conflict", ""),
        (410, "store.unexpected", "S3_ENDPOINT"),
        (413, "store.body-limit", "S3_PART_SIZE"),
        (500, "store.internal", ""),
        (504, "store.unavailable", ""),
    ],
)
def test_a_status_without_a_code_of_s3_is_never_the_file_s_fault(status: int, code: str, hint: str) -> None:
    for said in (str(status), ""):
        failure = from_answer(answer(said, status), "x", "PutObject").failure
        assert (failure.code, failure.error_class) == (code, ErrorClass.OUTAGE)
        assert hint in failure.hint


def test_only_a_look_at_an_object_is_told_by_a_bare_404_that_there_is_none() -> None:
    assert from_answer(answer("404", 404), "x", "HeadObject").failure.code == "store.no-object"
    assert from_answer(answer("404", 404), "x", "HeadBucket").failure.code == "store.no-bucket"
    assert from_answer(answer("404", 404), "x", "UploadPart").failure.code == "store.unexpected"


def test_where_a_redirect_leads_is_told() -> None:
    failure = from_answer(answer("302", 302, location="http://login.example/"), "x", "PutObject").failure
    assert "http://login.example/" in failure.message


def test_the_wait_that_the_store_asks_for_is_carried_along() -> None:
    assert from_answer(answer("SlowDown", 503, **{"retry-after": "12"}), "x").failure.retry_after_seconds == 12
    assert from_answer(answer("SlowDown", 503, **{"retry-after": "soon"}), "x").failure.retry_after_seconds is None
