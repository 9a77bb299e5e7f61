"""Read messages and open a store. `python -m benchmarks.upgrade` runs this file with the code of 0.1.0.

So it uses only what both versions have. It prints one line of JSON for each record of a file of messages, and one for
the store: what it is, and the error, or null.
"""

import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.base.errors import VoxwardenError
from pipeline.contract.cloud_events import decode_event
from pipeline.contract.topology import TOPICS
from pipeline.review.database import Database

KINDS = {topic.message.__name__: topic.message for topic in TOPICS if topic.message}


def main(messages: Path, store: Path) -> None:
    """Read both, and print the results."""
    for line in messages.read_text("utf-8").splitlines():
        record = json.loads(line)
        print(json.dumps({"what": f"{record['kind']} on {record['topic']}", "error": "; ".join(read(record)) or None}))
    print(json.dumps({"what": "store", "error": opened(store)}))


def read(record: dict[str, Any]) -> Iterator[str]:
    """Yield why the record cannot be read. A topic that this version does not know is not read at all."""
    kind = KINDS.get(record["kind"])
    if kind is None:
        yield "unknown topic"
        return
    headers = [(name, value.encode()) for name, value in record["headers"]]
    try:
        decode_event(kind, base64.b64decode(record["value"]), headers)
    except VoxwardenError as error:
        yield str(error)


def opened(store: Path) -> str | None:
    """Return why the store cannot be opened, or None."""
    try:
        Database(f"sqlite:///{store}").close()
    except VoxwardenError as error:
        return str(error)
    return None


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
