"""`python -m tagpulse` is `tagpulse`."""

from tagpulse.cli import main

main()
