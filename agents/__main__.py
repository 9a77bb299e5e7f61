"""`python -m agents` runs `voxwarden`."""

from pipeline.uncollected import uncollected

with uncollected():
    from agents.cli import main

main()
