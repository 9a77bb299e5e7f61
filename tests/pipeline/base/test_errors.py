"""An error is one line with its remedy, and the tree in the module is the tree of the classes."""

import inspect
import re

import pytest

from pipeline.base import errors
from pipeline.base.errors import ParameterError, ReusedKey, TooManyTries, VoxwardenError

CLASSES = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, VoxwardenError)]


OWN_SENTENCES = {ParameterError, ReusedKey, TooManyTries}


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind not in OWN_SENTENCES])
def test_an_error_states_the_problem_and_then_the_remedy(kind: type[VoxwardenError]) -> None:
    error = kind("a.yaml: no key x", "Add it.")
    assert (str(error), error.what, error.remedy) == ("a.yaml: no key x. Add it.", "a.yaml: no key x", "Add it.")
    assert str(kind("a.yaml: no key x")) == "a.yaml: no key x"


def test_an_error_of_a_parameter_begins_with_its_name() -> None:
    error = ParameterError("language", "'fr' is not judged", "Use one of: en, zh.")
    assert (str(error), error.name) == ("language: 'fr' is not judged. Use one of: en, zh.", "language")


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    above, told = [VoxwardenError.__name__], {VoxwardenError.__name__: "Exception"}
    for indent, name in re.findall(r"^([│ ]*[├└]── )(\w+)", errors.__doc__ or "", re.MULTILINE):
        above = above[: len(indent) // 4]
        told[name] = above[-1]
        above.append(name)
    assert told == {each.__name__: each.__base__.__name__ for each in CLASSES if each.__base__}
