"""Cases as CSV, for a spreadsheet."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, tzinfo

from pipeline.contract.messages import Flag
from pipeline.judge.labels import SEVERITIES
from pipeline.review.search.case_lists import ListedCase

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


Say = Callable[[str], str]
"""Returns a text of the console in the reader's language."""


def exported(cases: Iterable[ListedCase], say: Say, zone: tzinfo = UTC) -> bytes:
    """Return the cases as CSV with a header, times in `zone`. It begins with a byte order mark, which Excel needs."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(map(_safe, _cells(case, say, zone)) for case in cases)
    return text.getvalue().encode("utf-8-sig", "replace")


def _cells(listed: ListedCase, say: Say, zone: tzinfo) -> Iterator[str]:
    case, decision = listed.case, listed.decision
    yield case.id
    for at in (case.created_at, case.start):
        yield datetime.fromtimestamp(at, zone).isoformat(timespec="seconds")
    yield from (case.room, case.speaker, case.label, SEVERITIES[case.severity], f"{case.risk:.2f}", case.language)
    yield from (case.policy, case.status, case.verdict or "", decision.moderator if decision else "")
    yield " / ".join(_said(flag, say) for flag in sorted(listed.flags, key=lambda flag: flag.start))


def _said(flag: Flag, say: Say) -> str:
    return f"{say(f'sound.{flag.sound.kind}')} {flag.sound.name}".rstrip() if flag.sound else flag.text


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULAS) else cell
