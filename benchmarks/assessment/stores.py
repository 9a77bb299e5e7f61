"""Empty databases of each kind."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.pipeline.review import postgres

STORES = ("sqlite", "postgresql")


@contextmanager
def url_of(store: str, folder: Path | None = None) -> Iterator[str]:
    """Make an empty database, or use the SQLite file in `folder`. Yield its URL."""
    if store == "postgresql":
        with postgres.server() as url:
            yield url
    elif folder:
        yield sqlite_url(folder)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            yield sqlite_url(Path(temporary))


def sqlite_url(folder: Path) -> str:
    """Return the URL of a SQLite file in `folder`."""
    return f"sqlite:///{folder / 'store.db'}"
