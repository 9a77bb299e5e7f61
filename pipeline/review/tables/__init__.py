"""All tables of the review store. An import of this package fills METADATA. Import a new file of tables here."""

from pipeline.review.tables import (
    access,
    assessment,
    duties,
    enforcement,
    muted,
    policies,
    quality,
    queues,
    recordings,
    rights,
    rooms,
    search,
    wellness,
)
from pipeline.review.tables.core import METADATA

__all__ = [
    "METADATA",
    "access",
    "assessment",
    "duties",
    "enforcement",
    "muted",
    "policies",
    "quality",
    "queues",
    "recordings",
    "rights",
    "rooms",
    "search",
    "wellness",
]
