"""Console entry point: `python -m processor`.

Imports nothing at the top: worker processes import this module, too.
"""


def main() -> None:
    """Run the command line; the daemon itself without it, since it stays for years and is to stay small."""
    import sys  # noqa: PLC0415

    _occupy_standard_streams()
    if sys.argv[1:] in (["run"], ["run", "--once"], ["run", "--once", "--json"]):
        sys.dont_write_bytecode = True  # it writes nothing but what is promised; installing has compiled
        from processor.daemon.malloc import begin_small, without_tables  # noqa: PLC0415

        begin_small()
        without_tables()
        from processor.cli.runtime import run_daemon  # noqa: PLC0415

        run_daemon(once="--once" in sys.argv, as_json="--json" in sys.argv)
    from processor.cli.main import main as run  # noqa: PLC0415

    run()


def _occupy_standard_streams() -> None:
    """Open what of stdin, stdout and stderr is closed: what is opened first would be taken for one of them."""
    import os  # noqa: PLC0415

    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004 - stdin, stdout, stderr
        os.set_inheritable(fd, True)
    os.close(fd)


if __name__ == "__main__":
    main()
