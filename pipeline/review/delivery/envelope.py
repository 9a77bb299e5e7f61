"""The JSON body of an event, in a webhook and in the stream of verdicts."""

from datetime import UTC, datetime
from typing import Any

import msgspec


def envelope(kind: str, at: float, data: dict[str, Any]) -> bytes:
    """Return the body of an event of `kind` that happened at `at` (UTC seconds)."""
    when = datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
    return msgspec.json.encode({"type": kind, "timestamp": when, "data": data})
