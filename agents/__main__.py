"""`python -m agents` runs `voxwarden`."""

from agents.cli import main

main()
