"""The exported model of the tests of `pipeline/learning` serves the tests of the training, too."""

from tests.pipeline.learning.conftest import written

__all__ = ["written"]
