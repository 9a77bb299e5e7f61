"""`python -m agents` runs `voxwarden`."""

from pipeline.base.import_speed import without_collection

with without_collection():
    from agents.commands.command_line import main

main()
