"""The command `nertool`, also as `python -m nertool`."""

import sys


def main() -> None:
    """Run the command; Ctrl-C while packages load ends it without a traceback too."""
    try:
        from nertool.cli.main import main

        main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
