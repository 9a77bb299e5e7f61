"""Trains the model that tells music and singing from speech and other sounds: `python -m training.sound`."""
