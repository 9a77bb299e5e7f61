"""Converts public sets of texts to the files that the training reads: `python -m training.convert --help`."""
