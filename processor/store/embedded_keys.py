"""Keys that the embedded store's parts know each other by.

They are made anew at each start and lie in the store's own directory. Over HTTP its volumes ask for tokens signed by
them; over gRPC every part asks for the one certificate that all of them have, in both directions.
"""

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

from processor.domain.errors import DeliveryError, ErrorClass, Failure

_PARTS = ("master", "volume", "filer", "s3", "client")


def new_keys(directory: Path) -> bytes:
    """Write a new certificate with its key into `directory` and return the text of `security.toml`.

    Raises DeliveryError `store.embedded-missing` when the library that makes certificates is not installed.
    """
    certificate, key = _certificate()
    paths = directory / "tls-certificate", directory / "tls-key"
    write_private(paths[0], certificate)
    write_private(paths[1], key)
    tokens = [f"jwt.{part}{kind}" for part in ("signing", "filer_signing") for kind in ("", ".read")]
    lines = [f'[{section}]\nkey = "{secrets.token_urlsafe(30)}"\n' for section in tokens]
    lines.append(f'[grpc]\nca = "{paths[0]}"\n')
    lines += [f'[grpc.{part}]\ncert = "{paths[0]}"\nkey = "{paths[1]}"\n' for part in _PARTS]
    return "".join(lines).encode()


def _certificate() -> tuple[bytes, bytes]:
    """Return a certificate that is its own authority, and its key, both as PEM."""
    try:
        from cryptography import x509  # noqa: PLC0415 - only the embedded store needs it
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    except ImportError as error:
        message = "the embedded store needs the package `cryptography`"
        hint = "install the extra `embedded`, or set S3_ENDPOINT to a store of yours"
        raise DeliveryError(Failure(ErrorClass.PERMANENT, "store.embedded-missing", message, hint)) from error
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "embedded store")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2000, 1, 1, tzinfo=UTC))  # clocks are wrong, and the next start makes another one
        .not_valid_after(datetime(9999, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return certificate.public_bytes(pem), key.private_bytes(pem, form, plain)


def for_the_owner(path: str, flags: int) -> int:
    """Open a file that nobody else may read: an opener for `open`."""
    return os.open(path, flags, 0o600)


def write_private(path: Path, content: bytes) -> None:
    """Write whole or not at all, readable by the owner alone from its first moment."""
    draft = path.with_suffix(f"{path.suffix}.new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        os.fchmod(fd, 0o600)
        file.write(content)
    draft.rename(path)
