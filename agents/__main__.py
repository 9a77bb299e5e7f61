"""`python -m agents` runs `voxwarden`."""

from pipeline.base.libraries import without_collection

with without_collection():
    from agents.commands.command_line import main

main()
