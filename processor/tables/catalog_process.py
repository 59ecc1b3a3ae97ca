"""The catalog's process, as the daemon sees it.

It is started when it is first needed, ended when it does not answer in time, and made anew with the next request.
Credentials reach it over its socket, never by its arguments.
"""

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from processor.domain.errors import DeliveryError, ErrorClass, Failure
from processor.sandbox.channel import BrokenReplyError, receive, send
from processor.tables.program import LONGEST_MESSAGE
from processor.tables.requests import CatalogAnswer, CatalogRequest
from processor.tables.settings import CatalogSettings

_PROGRAM = "import sys; sys.path[:] = sys.argv[2:]; from processor.tables.program import main; main()"
_SILENT_SECONDS = 600.0  # a batch reads the ends of a thousand objects


class CatalogProcess:
    """Asks the process; for one thread, but for `stop`. `memory_mb` bounds its private memory."""

    def __init__(self, settings: CatalogSettings, memory_mb: int, silent_seconds: float = _SILENT_SECONDS) -> None:
        self._settings = settings
        self._memory_mb = memory_mb
        self._silent_seconds = silent_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """Return the pid of the process; None while there is none."""
        process = self._process
        return None if process is None else process.pid

    def ask(self, request: CatalogRequest) -> Any:
        """Return the answer to a request. Raises DeliveryError `catalog.*`: then it may be done, or not."""
        return next(self.ask_many(request))

    def ask_many(self, request: CatalogRequest) -> Iterator[Any]:
        """Yield all answers to a request. Raises DeliveryError."""
        more = True
        try:
            channel = self._started()
            send(channel, pickle.dumps(request))
            while more:
                answer: CatalogAnswer = pickle.loads(receive(channel, LONGEST_MESSAGE))  # noqa: S301 - between our own two processes
                if answer.failure is not None:
                    raise DeliveryError(answer.failure)
                more = answer.more
                yield answer.value
        except TimeoutError:
            raise self._lost(f"did not answer for {self._silent_seconds:.0f} s") from None
        except (EOFError, OSError, BrokenReplyError, pickle.UnpicklingError):
            raise self._lost("died") from None

    def stop(self) -> None:
        """End the process. What it was committing may be committed, or not."""
        with self._lock:
            self._stopped = True
        self._end()

    def _started(self) -> socket.socket:
        with self._lock:
            if self._stopped:
                raise EOFError
            if self._channel is None:
                self._channel, theirs = socket.socketpair()
                with theirs:
                    self._process = subprocess.Popen(
                        [sys.executable, "-c", _PROGRAM, str(theirs.fileno()), *sys.path],
                        pass_fds=(theirs.fileno(),),
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                        env={**os.environ, "OMP_NUM_THREADS": "1", "PYICEBERG_MAX_WORKERS": "4"},
                    )
                self._channel.settimeout(self._silent_seconds)
                send(self._channel, pickle.dumps((self._settings, self._memory_mb)))
            return self._channel

    def _lost(self, what: str) -> DeliveryError:
        code = self._end()
        how = f" (by signal {-code})" if code is not None and code < 0 and code != -signal.SIGKILL else ""
        text = f"the catalog's process {what}{how}"
        return DeliveryError(Failure(ErrorClass.OUTAGE, "catalog.died", text, "it is started anew"))

    def _end(self) -> int | None:
        with self._lock:
            process, channel = self._process, self._channel
            self._process = self._channel = None
        if channel is not None:
            with suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)
            channel.close()
        if process is None:
            return None
        early = process.poll()
        process.kill()
        process.wait()
        return early
