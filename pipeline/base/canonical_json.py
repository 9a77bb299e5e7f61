"""Canonical JSON: equal values give equal bytes, on every machine and with every database."""

from hashlib import sha256
from typing import Any

import msgspec

# Significant digits of a float. Databases add floats in different orders, so that further digits may differ.
DIGITS = 12


def canonical_bytes(value: Any) -> bytes:
    """Return `value` as JSON with sorted keys, no spaces, and floats of at most DIGITS digits."""
    return msgspec.json.encode(_fixed(msgspec.to_builtins(value, order="sorted")), order="sorted")


def digest(content: bytes) -> str:
    """Return the SHA-256 of `content` in hexadecimal digits."""
    return sha256(content).hexdigest()


def _fixed(value: Any) -> Any:
    match value:
        case float():
            return float(f"{value:.{DIGITS}g}")
        case dict():
            return {key: _fixed(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_fixed(inner) for inner in value]
        case _:
            return value
