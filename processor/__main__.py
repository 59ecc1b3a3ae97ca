"""`python -m processor`, and the console script. Imports nothing yet: worker processes import this module too."""


def main() -> None:
    """Run the command line."""
    from processor.cli import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
