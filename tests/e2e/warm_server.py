"""A process that has imported the product, and forks it: started by `warm`."""

import importlib
import json
import os
import runpy
import socket
import sys
import time
from typing import Any

from tests import boto_models
from tests.faults import call_filter

_PRELOADED = ("processor.cli.main", "processor.daemon.app", "processor.commands.ledger")


def main() -> None:
    for name in _PRELOADED:
        importlib.import_module(name)
    boto_models.share()
    boto_models.read()
    if len(os.listdir("/proc/self/task")) != 1:
        raise SystemExit("a process with threads must not be forked")
    with socket.socket(fileno=os.dup(0)) as line:
        request, descriptors = _serve(line)
    _become(request, descriptors)
    if call_filter.MARK in os.environ:
        call_filter.install()
    runpy.run_module("processor", run_name="__main__", alter_sys=True)


def _serve(line: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Fork for each request; return it in the child alone."""
    while True:
        message, descriptors, _flags, _address = socket.recv_fds(line, 1 << 18, 3)
        if not message:
            os._exit(0)
        pid = _grandchild()
        if pid == 0:
            return json.loads(message), descriptors
        for each in descriptors:
            os.close(each)
        line.sendall(pid.to_bytes(8, "little"))


def _grandchild() -> int:
    """Fork a process that our parent adopts, for it is an orphan; return its pid, and 0 in itself."""
    read_end, write_end = os.pipe()
    between = os.fork()
    if between == 0:
        pid = os.fork()
        if pid:
            os.write(write_end, pid.to_bytes(8, "little"))
            os._exit(0)
    if between:
        os.waitpid(between, 0)
    pid = int.from_bytes(os.read(read_end, 8), "little") if between else 0
    os.close(read_end)
    os.close(write_end)
    return pid


def _become(request: dict[str, Any], descriptors: list[int]) -> None:
    os.setsid()
    for standard, given in enumerate(descriptors):
        os.dup2(given, standard)
    os.closerange(3, 1 << 10)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    sys.argv = ["processor", *request["arguments"]]


if __name__ == "__main__":
    main()
