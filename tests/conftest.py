"""For all tests."""

from hypothesis import settings

settings.register_profile("voxwarden", deadline=None)  # a busy machine is no failure
settings.register_profile("thorough", deadline=None, max_examples=3_000)  # pytest --hypothesis-profile=thorough
settings.load_profile("voxwarden")
