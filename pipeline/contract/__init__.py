"""The message contract, written from the code: `python -m pipeline.contract`."""
