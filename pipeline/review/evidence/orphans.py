"""Clips that no case names: left by a crash between the clip and its row, or by a process without the right to delete.

Retention and erasures follow the rows, so nothing else would ever delete such a clip.
"""

import logging
from itertools import islice

from sqlalchemy import select

from pipeline.review.database import Database
from pipeline.review.evidence.store import EvidenceStore
from pipeline.review.tables.core import EVIDENCE

ORPHAN_PAGE = 500
MOST_SHARE = 0.5
"""If more than this share of all clips has no case, this is probably the storage of another database."""
FEW = 100
"""So few clips without a case are deleted in any case."""

log = logging.getLogger(__name__)


def find_orphans(database: Database, evidence: EvidenceStore, before: float) -> list[str]:
    """Return the paths of clips without a case, last written before `before` (UTC seconds).

    The result is empty if there are so many that the database must be the wrong one, for example an empty one.
    """
    orphans: list[str] = []
    seen = 0
    paths = evidence.paths(before)
    while page := list(islice(paths, ORPHAN_PAGE)):
        with database.read() as connection:
            named = set(connection.scalars(select(EVIDENCE.c.path).where(EVIDENCE.c.path.in_(page))))
        orphans += [path for path in page if path not in named]
        seen += len(page)
    if len(orphans) > FEW and len(orphans) > MOST_SHARE * seen:
        log.error("%d of %d clips have no case in this database. They stay: is it the right one?", len(orphans), seen)
        return []
    return orphans
