"""Compression of answers, and what makes it safe.

A page has the CSRF token of its session, and repeats text of its address, for example a filter. Someone who can make
the browser open addresses and can measure the sizes of compressed answers could guess a constant token, letter by
letter (the attack BREACH). So each page has the token masked with new random bytes.
"""

import base64
import binascii
import gzip
import secrets

from fastapi import Request

LEAST = 1_000
"""A shorter answer (bytes) is sent as it is."""
LEVEL = 5
"""The level of gzip for pages: higher ones take twice the time and save 2 %."""


def taken(request: Request) -> bool:
    """Tell whether the browser takes an answer that is packed with gzip."""
    parts = (
        part.replace(" ", "").lower().partition(";") for part in request.headers.get("accept-encoding", "").split(",")
    )
    return any(name == "gzip" and quality not in {"q=0", "q=0.0"} for name, _, quality in parts)


def packed(body: bytes, level: int = LEVEL) -> bytes:
    return gzip.compress(body, level, mtime=0)


def masked(token: str) -> str:
    """Return the token under a new random mask of its length."""
    mask = secrets.token_bytes(len(token))
    return base64.urlsafe_b64encode(mask + _xor(mask, token.encode())).decode()


def unmasked(given: str) -> str:
    """Return the token of `masked`, or `given` itself if it is not masked."""
    try:
        raw = base64.b64decode(given, altchars=b"-_", validate=True)
        return _xor(raw[: len(raw) // 2], raw[len(raw) // 2 :]).decode("ascii")
    except (binascii.Error, ValueError):
        return given


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
