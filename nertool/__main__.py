"""`python -m nertool`."""

from nertool.cli import main

main()
