"""Our signature beside botocore's: the same, whatever is signed."""

import hashlib
import re
from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import quote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from processor.store.signing import Signer

REGION = "eu-central-1"
HOST = "127.0.0.1:9000"

texts = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1)).map(lambda each: each.replace(tzinfo=UTC))  # noqa: DTZ001
names = st.sampled_from(
    ["content-type", "content-md5", "user-agent", "x-amz-meta-a", "x-amz-meta-source-path", "x-amz-tagging", "expect"]
)


def by_botocore(
    credentials: ReadOnlyCredentials, target: str, headers: dict[str, str], body: bytes, now: datetime
) -> dict[str, str]:
    request = AWSRequest("PUT", f"http://{HOST}{target}", headers=headers, data=body)
    with patch("botocore.auth.get_current_datetime", lambda: now):
        S3SigV4Auth(credentials, "s3", REGION).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@given(
    secret=texts,
    token=st.none() | texts,
    key=keys,
    upload=st.none() | texts,
    given_headers=st.dictionaries(names, values),
    body=st.binary(min_size=1, max_size=100),
    now=moments,
)
def test_a_request_is_signed_as_botocore_signs_it(
    secret: str,
    token: str | None,
    key: str,
    upload: str | None,
    given_headers: dict[str, str],
    body: bytes,
    now: datetime,
) -> None:
    credentials = ReadOnlyCredentials("access", secret, token)
    target = f"/bucket/{quote(key, safe='/~')}"
    if upload is not None:
        target += f"?partNumber=7&uploadId={quote(upload, safe='')}"
    headers = {**given_headers, "host": HOST, "content-length": str(len(body))}
    sha256 = hashlib.sha256(body).hexdigest()
    ours = Signer(REGION).signed(credentials, "PUT", target, headers, sha256, now.timestamp())
    assert ours == by_botocore(credentials, target, headers, body, now)


def test_a_day_and_another_secret_have_keys_of_their_own() -> None:
    signer = Signer(REGION)
    signatures = set()
    for secret in ("one", "two", "one"):
        for day in (1, 2, 1):
            now = datetime(2026, 5, day, 12, tzinfo=UTC)
            credentials = ReadOnlyCredentials("access", secret, None)
            ours = signer.signed(credentials, "PUT", "/b/k", {"host": HOST}, "ab" * 32, now.timestamp())
            again = Signer(REGION).signed(credentials, "PUT", "/b/k", {"host": HOST}, "ab" * 32, now.timestamp())
            assert ours == again
            signatures.add(ours["authorization"])
    assert len(signatures) == 4


def test_the_moment_is_now_unless_told() -> None:
    signed = Signer(REGION).signed(ReadOnlyCredentials("a", "s", None), "PUT", "/b/k", {"host": HOST}, "ab" * 32)
    moment = datetime.strptime(signed["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
    assert re.search(r"/\d{8}/eu-central-1/s3/aws4_request, ", signed["authorization"])
