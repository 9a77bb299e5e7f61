"""A second ear: an audio classifier that users bring."""
