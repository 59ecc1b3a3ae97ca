"""The parent of the workers.

It imports what they need once, forks them, and never sees a stranger's byte. It has one thread and nobody's secrets;
forking it costs a tenth of starting a program. The daemon asks over a socket pair:

    request := "/", path below the readable ones, with its end of a channel      answer := pid
             | pid of a worker                                                answer := exit code, or "?"
"""

import gc
import os
import pickle
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import orjson

from processor.sandbox import channel as messages
from processor.sandbox import confine
from processor.streams.worker_end import set_worker_end

LONGEST_REQUEST = 64 << 10
_LONGEST_TASK = 256 << 20  # the daemon's own words: an archive of millions of members, every other of which is stored


@dataclass(frozen=True, slots=True)
class Birthright:
    """What all workers of a pool have in common; `prepare` is called once, before the first is forked."""

    limits: confine.Limits
    prepare: Callable[[], None] | None


def main() -> None:
    """Serve until the daemon's end of the control socket is closed."""
    control, inbox_end = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # for the daemon: it drains, then ends its workers
    birthright: Birthright = pickle.loads(control.recv(LONGEST_REQUEST))  # noqa: S301 - the daemon's own words
    if birthright.prepare is not None:
        birthright.prepare()
    confine.interpreter_paths()  # while all of them can be read: the right to read everything ends with a namespace
    no_network = confine.prepare()
    set_worker_end(inbox_end)
    gc.collect()
    gc.freeze()  # pages that no collection touches stay shared
    while True:
        message, fds, _flags, _address = socket.recv_fds(control, LONGEST_REQUEST, 1)
        if not message:
            os._exit(0)
        if not fds:
            control.send(_exit_code(int(message)))
            continue
        pid = _forked(control, fds[0], birthright.limits, os.fsdecode(message[1:]), no_network=no_network)
        os.close(fds[0])
        control.send(str(pid).encode())


def _exit_code(pid: int) -> bytes:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return str(os.waitstatus_to_exitcode(status)).encode() if ended else b"?"


def _forked(control: socket.socket, channel_fd: int, limits: confine.Limits, below: str, *, no_network: bool) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            control.close()
            _work(socket.socket(fileno=channel_fd), confine.enter(parent, limits, below, no_network=no_network))
        except (EOFError, OSError):
            os._exit(0)  # the daemon has closed the channel
        except BaseException:  # noqa: BLE001 - a child never returns into its parent's code
            sys.excepthook(*sys.exc_info())
        os._exit(1)
    return pid


def _work(channel: socket.socket, protections: confine.Protections) -> None:
    """Tell which protections are on, then do one task after the other."""
    messages.send(channel, orjson.dumps(protections))
    while True:
        function, request = pickle.loads(messages.receive(channel, _LONGEST_TASK))  # noqa: S301 - the daemon's own words
        messages.send(channel, messages.answer(function, request))
        with suppress(OSError):
            sys.stdout.flush()
