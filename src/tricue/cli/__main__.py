"""`python -m tricue.cli`."""

from tricue.cli import main

main()
