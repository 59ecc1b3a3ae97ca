"""Worker processes, as the daemon sees them."""

import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from processor import logs
from processor.domain.errors import DeliveryError, ErrorClass, Failure
from processor.sandbox import channel as messages
from processor.sandbox.confine import Protections, clean_environment
from processor.sandbox.fork_server import LONGEST_REQUEST, Birthright
from processor.streams.worker_errors import WorkerCpuTimeError, WorkerDiedError

_PROGRAM = "import sys; sys.path[:] = sys.argv[3:]; from processor.sandbox.fork_server import main; main()"
_LONGEST_HELLO = 4096
_END_SECONDS = 5.0
_SHORTEST_LOOK_SECONDS = 0.5
_LONGEST_LINE = 2000
_MOST_LINES = 1000

log = logs.get("worker")


class ForkServer:
    """The parent of a pool's workers; safe for several threads."""

    def __init__(self, birthright: Birthright, inbox_end: socket.socket) -> None:
        """Have no process yet: `start` makes it, and so does the first `fork`."""
        self._birthright = birthright
        self._inbox_end = inbox_end
        self._lock = threading.Lock()
        self._program: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._stopped = False

    def start(self) -> None:
        """Start the program, unless it runs. Does not wait until it is ready."""
        with self._lock:
            self._started()

    def fork(self, below: str) -> "WorkerProcess":
        """Return a new worker that may read what lies at `below` the readable paths ("": all of them).

        Raises WorkerDiedError.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            message = b"/" + os.fsencode(below)
            pid = self._ask(message, theirs) or self._ask(message, theirs)  # a server that was killed is made anew
        if not pid:
            ours.close()
            raise WorkerDiedError(-signal.SIGKILL)
        worker = WorkerProcess(int(pid), ours, self._exit_code)
        try:
            worker.protections = Protections(**orjson.loads(messages.receive(ours, _LONGEST_HELLO)))
        except (EOFError, OSError):
            raise WorkerDiedError(worker.end()) from None
        return worker

    def stop(self) -> None:
        """End the server; workers that live die with it."""
        with self._lock:
            self._stopped = True
            self._end()

    def _exit_code(self, pid: int) -> int | None:
        """Return how a worker ended, or None while it has not."""
        with self._lock:
            if self._control is None:  # the server has ended, and its children with it
                return -signal.SIGKILL
        answer = self._ask(str(pid).encode())
        return -signal.SIGKILL if not answer else None if answer == b"?" else int(answer)

    def _ask(self, message: bytes, channel: socket.socket | None = None) -> bytes:
        """Return the server's answer; b"" when it died, and another can be asked."""
        with self._lock:
            control = self._started()
            try:
                socket.send_fds(control, [message], [channel.fileno()] if channel else [])
                answer = control.recv(LONGEST_REQUEST)
            except OSError:
                answer = b""
            if not answer:
                self._end()
            return answer

    def _started(self) -> socket.socket:
        """Return the control socket; the caller holds the lock."""
        if self._stopped:
            raise WorkerDiedError(-signal.SIGKILL)
        if self._control is None:
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            fds = (theirs.fileno(), self._inbox_end.fileno())
            with theirs:
                self._program = subprocess.Popen(
                    [sys.executable, "-B", "-c", _PROGRAM, *map(str, fds), *sys.path],
                    env=clean_environment(),
                    pass_fds=fds,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
            threading.Thread(target=_tell, args=(self._program.stdout,), name="worker-output", daemon=True).start()
            self._control.send(pickle.dumps(self._birthright))
        return self._control

    def _end(self) -> None:
        if self._control is not None and self._program is not None:
            self._control.close()
            self._program.kill()
            self._program.wait()
        self._control = self._program = None


class WorkerProcess:
    """One worker. For one thread, but for `kill`."""

    protections: Protections

    def __init__(self, pid: int, channel: socket.socket, exit_code: Callable[[int], int | None]) -> None:
        self.pid = pid
        self._channel = channel
        self._exit_code = exit_code
        self._lock = threading.Lock()
        self._ended = False
        self._cpu_before = 0.0

    def send(self, function: Callable[[Any], Any], request: Any) -> None:
        """Give it a task. Raises OSError when it is dead."""
        self._cpu_before = self._cpu_seconds()
        messages.send(self._channel, pickle.dumps((function, request)))

    def receive(self, longest_bytes: int, cpu_seconds: float) -> bytes:
        """Return its answer, for which it may use so much CPU time (0: no limit).

        Raises WorkerDiedError (also WorkerCpuTimeError) or messages.BrokenReplyError; it is to be ended then.
        """
        try:
            if cpu_seconds:
                self._wait(cpu_seconds)
            return messages.receive(self._channel, longest_bytes)
        except (EOFError, OSError):
            raise WorkerDiedError(self.end()) from None

    def kill(self) -> None:
        """End it now, from any thread; `end` comes after."""
        with self._lock:
            if not self._ended:  # its pid is its own until `end`
                with suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)

    def _wait(self, cpu_seconds: float) -> None:
        """Return when there is an answer, or it has died. It looks before all processors together can use the rest."""
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        left = cpu_seconds
        while not poll.poll(1000 * max(_SHORTEST_LOOK_SECONDS, left / (os.cpu_count() or 1))):
            left = cpu_seconds - (self._cpu_seconds() - self._cpu_before)
            if left < 0:
                raise WorkerCpuTimeError(self.end(), cpu_seconds)

    def _cpu_seconds(self) -> float:
        """Return the CPU time that it has used (proc(5): utime, stime). Raises OSError when it is gone."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> int:
        """End it, unless it has ended, and return how it did. One that the kernel can not end now is left behind."""
        self.kill()
        self._channel.close()
        deadline = time.monotonic() + _END_SECONDS
        with suppress(WorkerDiedError):
            while not self._ended and time.monotonic() < deadline:
                with self._lock:
                    code = self._exit_code(self.pid)
                    self._ended = code is not None
                if code is not None:
                    return code
                time.sleep(0.005)
        return -signal.SIGKILL


def unconfined(protections: Protections) -> DeliveryError:
    """Return the error for a worker that lacks protections which are required."""
    names = ", ".join(name.replace("_", " ") for name in protections.missing)
    hint = "the kernel or the container forbids it: see docs/SECURITY.md; SANDBOX=warn works all the same"
    failure = Failure(ErrorClass.INFRASTRUCTURE, "worker.unconfined", f"workers lack protections: {names}", hint)
    return DeliveryError(failure)


def _tell(output: BinaryIO) -> None:
    """Log what workers write to stdout and stderr: a line an event, cut and counted, since strangers may cause it."""
    told = 0
    with output:
        while line := output.readline(_LONGEST_LINE):
            if told < _MOST_LINES:
                log.warning("worker.output", text=line.decode("utf-8", "replace").rstrip())
            told += 1
