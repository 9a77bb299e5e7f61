"""Generates the message contract from the code: `python -m deploy.contract`."""
