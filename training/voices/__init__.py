"""Trains a model that tells synthetic and converted voices from those of people: `python -m training.voices`."""
