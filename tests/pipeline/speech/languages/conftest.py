"""The console's fixtures, for the texts of a language."""

from tests.pipeline.console.conftest import console, enter, staffed

__all__ = ["console", "enter", "staffed"]
