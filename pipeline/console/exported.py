"""Cases as CSV, for a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, tzinfo

from pipeline.judge.labels import SEVERITIES
from pipeline.review.search.listing import ListedCase

COLUMNS = (
    "case",
    "stored",
    "spoken",
    "room",
    "speaker",
    "label",
    "severity",
    "risk",
    "language",
    "policy",
    "status",
    "verdict",
    "decided_by",
    "said",
)
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins so. Speakers choose their names and words, so these get an apostrophe."""


def exported(cases: Iterable[ListedCase], zone: tzinfo = UTC) -> bytes:
    """Return the cases as CSV with a header, times in `zone`. It begins with a byte order mark, which Excel needs."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(map(_safe, _cells(case, zone)) for case in cases)
    return text.getvalue().encode("utf-8-sig", "replace")


def _cells(listed: ListedCase, zone: tzinfo) -> Iterator[str]:
    case, decision = listed.case, listed.decision
    yield case.id
    for at in (case.created_at, case.start):
        yield datetime.fromtimestamp(at, zone).isoformat(timespec="seconds")
    yield from (case.room, case.speaker, case.label, SEVERITIES[case.severity], f"{case.risk:.2f}", case.language)
    yield from (case.policy, case.status, case.verdict or "", decision.moderator if decision else "")
    yield " / ".join(flag.text for flag in sorted(listed.flags, key=lambda flag: flag.start))


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULAS) else cell
