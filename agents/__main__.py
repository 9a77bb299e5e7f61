"""`python -m agents` runs `voxwarden`."""

from pipeline.base.import_speed import uncollected

with uncollected():
    from agents.commands.command_line import main

main()
