"""Processes as psutil knows them; one that has gone meanwhile is no error."""

import psutil


def command_line(process: psutil.Process) -> str:
    """Return its command line; "" when it has gone or waits to be reaped."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def fork_servers(parent: psutil.Process | None = None) -> list[psutil.Process]:
    """Return the fork servers and workers that live below a process, by default this one."""
    children = (parent or psutil.Process()).children(recursive=True)
    return [child for child in children if "fork_server" in command_line(child)]
