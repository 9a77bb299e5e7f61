"""Training of the shipped text classifier: `python -m pipeline.judge.training --data DIR --out DIR`."""
