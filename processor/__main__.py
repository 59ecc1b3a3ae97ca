"""`python -m processor`, and the console script. Imports nothing yet: worker processes import this module too."""


def main() -> None:
    """Run the command line; the daemon itself without it, since it stays for years and is to stay small."""
    import sys  # noqa: PLC0415

    if sys.argv[1:] in (["run"], ["run", "--once"]):
        from processor.memory import begin_small, without_tables  # noqa: PLC0415

        begin_small()
        without_tables()
        from processor.entry import run_daemon  # noqa: PLC0415

        run_daemon(once="--once" in sys.argv)
    from processor.cli import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
