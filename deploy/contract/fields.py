"""Reads the meaning of each message field from its docstring in `pipeline/contract/messages.py`."""

import ast
import inspect
from functools import cache
from itertools import pairwise

from msgspec import Struct

from pipeline.contract import messages


def meanings(kind: type[Struct]) -> dict[str, str]:
    """One line for each field of `kind`.

    A field without a docstring gets the docstring of the first class in the module with a field of that name.
    """
    found: dict[str, str] = {}
    for name in kind.__struct_fields__:
        own = (_described(base.__name__).get(name) for base in kind.__mro__)
        found[name] = next(filter(None, own), "") or _first_described(name)
    return found


def _first_described(field: str) -> str:
    return next((found[field] for found in _classes().values() if field in found), "")


def _described(name: str) -> dict[str, str]:
    return _classes().get(name, {})


@cache
def _classes() -> dict[str, dict[str, str]]:
    tree = ast.parse(inspect.getsource(messages))
    return {node.name: _docstrings(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _docstrings(node: ast.ClassDef) -> dict[str, str]:
    return {
        field.target.id: " ".join(text.split())
        for field, after in pairwise(node.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if (text := _text(after))
    }


def _text(node: ast.stmt) -> str:
    value = node.value if isinstance(node, ast.Expr) else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""
