"""Training of the shipped text classifier: `python -m training.classifier --data DIR --out DIR`."""
