"""`python -m agents` is `voxwarden`."""

from agents.cli import main

main()
