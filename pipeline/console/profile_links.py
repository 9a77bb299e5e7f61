"""Addresses of pages whose path has an id that may be any text."""

from typing import Literal
from urllib.parse import quote, urlencode


def profile_href(kind: Literal["speakers", "rooms"], name: str) -> str:
    """Return the address of the page of a speaker or a room."""
    # A browser takes these two out of a path, also when they are encoded.
    if name in {".", ".."}:
        return f"/{kind}/?{urlencode({'name': name})}"
    return f"/{kind}/{quote(name, safe='')}"
