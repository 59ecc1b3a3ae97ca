"""The rights that deploy/iam-policy.json grants are those the store's requests need, and no more."""

import re
from pathlib import Path

import orjson

# "Actions defined by Amazon S3", service authorization reference.
RIGHTS = {
    "put_object": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "upload_part": "s3:PutObject",
    "complete_multipart_upload": "s3:PutObject",
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "list_parts": "s3:ListMultipartUploadParts",
    "list_multipart_uploads": "s3:ListBucketMultipartUploads",
    "list_objects_v2": "s3:ListBucket",
    "head_bucket": "s3:ListBucket",
    "head_object": "s3:GetObject",
    "get_object": "s3:GetObject",
    "delete_object": "s3:DeleteObject",
}
NOT_GRANTED = {"create_bucket"}  # only the embedded store's bucket is created by us


def operations() -> set[str]:
    source = "".join(path.read_text() for path in Path("processor/store").glob("*.py"))
    return set(re.findall(r"_?call\(\s*\"(\w+)\"", source))


def test_every_request_we_make_is_granted_and_nothing_else_is() -> None:
    policy = orjson.loads(Path("deploy/iam-policy.json").read_bytes())
    granted = {action for statement in policy["Statement"] for action in statement["Action"] if "s3:" in action}
    granted |= {each["Action"] for each in policy["Statement"] if isinstance(each["Action"], str)}
    assert operations() >= {"put_object", "head_object", "list_parts"}
    assert {RIGHTS[operation] for operation in operations() - NOT_GRANTED} == granted
