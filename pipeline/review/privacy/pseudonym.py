"""Pseudonyms of speakers for the audit log. The log outlives an erasure, so it must not name the erased speaker."""

from hashlib import sha256


def pseudonym(speaker: str) -> str:
    """Return the pseudonym of a speaker: 16 hexadecimal digits, always the same for the same id.

    With the id you can find the pseudonym in the log. The pseudonym does not reveal the id.
    """
    return sha256(f"speaker\x1f{speaker}".encode()).hexdigest()[:16]
