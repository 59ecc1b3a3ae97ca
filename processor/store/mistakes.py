"""Name mistakes in credentials, configuration files and certificates.

They concern the operator, not the store: the daemon does not start with one (78). One that comes up later, in a token
that ended or a file that was replaced, is waited for like a store that is out.
"""

import ssl
from pathlib import Path

from botocore import exceptions

from processor.domain.errors import DeliveryError, ErrorClass, Failure

_CONFIG = "mend that file (~/.aws/config and ~/.aws/credentials, or AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE)"
_CA_SETTINGS = "S3_CA_BUNDLE, or AWS_CA_BUNDLE where that is not set"
_BAD_FILE = (
    exceptions.ConfigParseError,
    exceptions.ConfigNotFound,
    exceptions.InvalidConfigError,
    exceptions.PartialCredentialsError,
    exceptions.UnknownCredentialError,
    exceptions.UnknownTokenProviderError,
)


def mistake_of(error: BaseException, what: str) -> DeliveryError | None:
    """Return the error for a mistake of the operator's; None when it is none."""
    match error:
        case exceptions.ProfileNotFound():
            return _named("store.aws-profile", f"{what}: {error}", "check AWS_PROFILE, or unset it")
        case exceptions.SSOError() | exceptions.TokenRetrievalError():
            return _named("store.sso", f"{what}: {error}", "run `aws sso login` as the daemon's user")
        case exceptions.CredentialRetrievalError() if error.kwargs.get("provider") == "custom-process":
            return _named("store.credential-process", f"{what}: {error}", "run the credential_process by hand")
        case exceptions.InvalidRegionError() | exceptions.NoRegionError():
            return _named("store.endpoint", f"{what}: {error}", "check S3_REGION")
        case exceptions.ParamValidationError():
            return _named("store.no-bucket", f"{what}: {error}", "not a bucket's name: check S3_BUCKET")
        case _ if isinstance(error, _BAD_FILE):
            return _named("store.aws-config", f"{what}: {error}", _CONFIG)
        case ValueError() if "nvalid endpoint" in str(error):
            return _named("store.endpoint", f"{what}: {error}", "check S3_ENDPOINT")
    return None


def see_bundle(path: str | None) -> None:
    """See that a file of certificate authorities can be used. Raises DeliveryError `store.ca-bundle`."""
    if path is None:
        return
    if Path(path).is_dir():  # of hashed names; they are read when they are needed
        return
    try:
        authorities = ssl.create_default_context(cafile=path)
    except OSError as error:  # SSLError is one
        raise _named("store.ca-bundle", f"{path} can not be used: {error.strerror or error}", _BUNDLE) from error
    if not authorities.get_ca_certs():
        raise _named("store.ca-bundle", f"{path} holds no certificate of an authority", _BUNDLE)


_BUNDLE = f"it takes a PEM file; check {_CA_SETTINGS}"


def untrusted(error: BaseException, what: str, endpoint: str, ca_bundle: str | None) -> DeliveryError:
    """Return the error for TLS that could not be begun: no TLS there, or a certificate that is not trusted."""
    text = f"{what}: {error}"
    if any(sign in str(error) for sign in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL")):
        return _named("store.not-tls", text, f"nobody speaks TLS there: S3_ENDPOINT={endpoint} with http:// instead?")
    authorities = f"the authorities in {ca_bundle}" if ca_bundle else "the authorities of this system"
    hint = f"looked for it among {authorities}: check {_CA_SETTINGS}, and who answers at {endpoint}"
    code = "store.certificate-expired" if "certificate has expired" in str(error) else "store.certificate"
    return _named(code, text, hint)


def _named(code: str, message: str, hint: str) -> DeliveryError:
    return DeliveryError(Failure(ErrorClass.OUTAGE, code, message, hint))
