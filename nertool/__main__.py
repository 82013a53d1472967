"""`python -m nertool`."""

from nertool.cli.main import main

main()
