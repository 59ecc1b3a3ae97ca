"""`python -m processor`, and the console script. Imports nothing yet: worker processes import this module too."""


def main() -> None:
    """Run the command line."""
    import sys  # noqa: PLC0415

    if sys.argv[1:] in (["run"], ["run", "--once"]):
        from processor.memory import begin_small, without_tables  # noqa: PLC0415

        begin_small()
        without_tables()
    from processor.cli import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
