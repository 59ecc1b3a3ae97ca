"""A boto3 client configured for this program.

Plain PUTs go the direct way where there is one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from processor.domain.errors import DeliveryError
from processor.store import errors
from processor.store.body import FilePart
from processor.store.settings import StoreSettings

if TYPE_CHECKING:
    from processor.store.direct import Direct

# All repetition is ours: botocore can not send a memoryview a second time.
_ATTEMPTS = 1

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}


@dataclass(frozen=True, slots=True)
class Connection:
    """A client and the exceptions that its calls may raise."""

    client: Any
    endpoint: str
    foreign: tuple[type[Exception], ...]
    direct: Direct | None
    ca_bundle: str | None = None

    def request(self, operation: str, parameters: dict[str, Any], body_sha256: bytes | None = None) -> dict[str, Any]:
        """Make one request; raises one of `foreign`. `body_sha256` spares hashing the body for the signature."""
        if self.direct is not None and self.direct.takes(operation, parameters):
            return self.direct.put(operation, parameters, body_sha256)
        if isinstance(parameters.get("Body"), FilePart):
            parameters = parameters | {"Body": parameters["Body"].whole()}
        answer: dict[str, Any] = getattr(self.client, operation)(**parameters)
        return answer

    def expired(self, error: Exception) -> bool:
        """Tell whether other credentials may help."""
        return _answer_of(error).get("Error", {}).get("Code") in _EXPIRED

    def translate(self, error: Exception, what: str) -> DeliveryError:
        """Return our error for a foreign one."""
        return translated(error, what, self.endpoint, self.ca_bundle)

    def close(self) -> None:
        """Close idle connections."""
        self.client.close()
        if self.direct is not None:
            self.direct.close()


def translated(error: Exception, what: str, endpoint: str, ca_bundle: str | None) -> DeliveryError:
    """Return our error for one of the client's, of its libraries', or of what it made of an answer."""
    from botocore import exceptions  # noqa: PLC0415 - loaded already; the module itself must load without it
    from urllib3.exceptions import HTTPError, SSLError  # noqa: PLC0415

    from processor.store import mistakes  # noqa: PLC0415

    if answer := _answer_of(error):
        return errors.from_answer(answer, what, getattr(error, "operation_name", ""))
    if mistake := mistakes.mistake_of(error, what):
        return mistake
    if isinstance(error, exceptions.NoCredentialsError | exceptions.CredentialRetrievalError):
        return errors.no_credentials(error, what)
    if isinstance(error, exceptions.SSLError | SSLError):
        return mistakes.untrusted(error, what, endpoint, ca_bundle)
    unheard = exceptions.HTTPClientError | exceptions.ConnectionError | exceptions.IncompleteReadError | HTTPError
    if isinstance(error, unheard):
        return errors.no_answer(error, what, endpoint)
    if isinstance(error, exceptions.MetadataRetrievalError):
        return errors.no_credentials(error, what)
    return errors.garbled(error, what)


def connect(settings: StoreSettings) -> Connection:
    """Return a client for the settings; credentials may be asked for, else nothing is sent yet.

    Raises DeliveryError for what can not be used: a profile, a file, a certificate, a service of tokens.
    """
    try:
        return _connected(settings)
    except DeliveryError:
        raise
    except Exception as error:  # the client's libraries read files and ask services that are not ours
        endpoint = settings.endpoint or f"AWS {settings.region}"
        raise translated(error, "connect to the store", endpoint, None) from error


def _connected(settings: StoreSettings) -> Connection:
    import boto3  # noqa: PLC0415 - 0.3 s that commands without a store need not wait for
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    from botocore.session import get_session  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    from processor.store.bounds import bound  # noqa: PLC0415
    from processor.store.direct import direct_to  # noqa: PLC0415
    from processor.store.mistakes import see_bundle  # noqa: PLC0415

    config = Config(
        connect_timeout=settings.connect_timeout_seconds,
        read_timeout=settings.read_timeout_seconds,
        max_pool_connections=settings.max_connections,
        retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
        # Checksums are ours, computed before; boto3's own trailing ones get 411 from several stores.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path" if settings.force_path_style else "auto"},
        tcp_keepalive=True,
        user_agent="processor",  # put together anew for each request otherwise
        # It costs a tenth of a request and does not know that a body may be a memoryview.
        parameter_validation=False,
    )
    core = get_session()
    session = boto3.Session(
        botocore_session=core,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key,
        aws_session_token=settings.session_token,
        region_name=settings.region,
    )
    ca_bundle = str(settings.ca_bundle) if settings.ca_bundle else core.get_config_variable("ca_bundle")
    if not (settings.endpoint or "").startswith("http://"):
        see_bundle(ca_bundle)
    client = session.client(
        "s3",
        endpoint_url=settings.endpoint,
        verify=ca_bundle,
        config=config,
    )
    bound(client)
    client.meta.events.register("before-call.s3", _stay_where_it_is)
    direct = direct_to(settings, session, client, ca_bundle)
    return Connection(client, client.meta.endpoint_url, (BotoCoreError, ClientError, HTTPError), direct, ca_bundle)


def _stay_where_it_is(context: dict[str, Any], **_: Any) -> None:
    """Have no request follow a redirect to another region.

    A wrong S3_REGION is to be told, once, and not paid for with every request. And looking for the right one, botocore
    asks who redirects again, without end.
    """
    context.setdefault("s3_redirect", {})["redirected"] = True


class Line:
    """The connection in use: made when it is first asked for, and anew when its credentials have expired.

    Shared by all threads. A client takes 12 MB and 0.2 CPU s, so there is one for everybody.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def connection(self) -> Connection:
        """Return the connection."""
        connection = self._connection
        if connection is None:
            with self._lock:
                if self._connection is None:
                    self._connection = connect(self._settings)
                connection = self._connection
        return connection

    def anew(self, stale: Connection) -> Connection:
        """Replace a connection whose credentials expired; credentials are found anew, by one thread for all."""
        with self._lock:
            if self._connection is stale:
                self._connection = connect(self._settings)
        return self.connection()

    def forget(self, stale: Connection) -> None:
        """Have the next request connect anew: a connection that was made without credentials never finds any."""
        with self._lock:
            if self._connection is stale:
                self._connection = None

    def close(self) -> None:
        """Close idle connections; who asks next gets new ones."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _answer_of(error: Exception) -> dict[str, Any]:
    response = getattr(error, "response", None)
    return response if isinstance(response, dict) else {}
