"""Consistent hashing: which process listens in which room (rendezvous hashing).

When a member joins or leaves, only the rooms that it wins or loses move to another process.
"""

from collections.abc import Collection
from hashlib import blake2b


def ranked(members: Collection[str], room: str) -> list[str]:
    """The members by their claim to the room: its owner first, then the one that stands in for it, and so on."""
    return sorted(members, key=lambda member: (_weight(member, room), member), reverse=True)


def _weight(member: str, room: str) -> bytes:
    return blake2b(f"{len(member)}:{member}{room}".encode(), digest_size=8).digest()
