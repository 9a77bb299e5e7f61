"""For all tests."""

import os

from hypothesis import settings

# A busy machine is no failure. CI draws the same examples each time: what new ones find is for a person, at a desk.
settings.register_profile("voxwarden", deadline=None, derandomize="CI" in os.environ, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=3_000)  # pytest --hypothesis-profile=thorough
settings.load_profile("voxwarden")
