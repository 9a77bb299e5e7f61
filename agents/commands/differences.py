"""The result of a backtest: tables for a person, JSON lines for a program. Speech is shown only on a terminal."""

from collections.abc import Iterable
from typing import Any, get_args

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from agents.commands.casetables import utc
from agents.commands.table import SHAPES, STYLES
from agents.commands.terminal import plain
from pipeline.contract.messages import Flag
from pipeline.judge.policy_comparison import Backtest, BacktestTally, Comparison, Kind, flagged

MARKS: dict[Kind, str] = {"new": "+ new", "gone": "- gone", "changed": "~ changed", "same": "= same"}
SHOWN: tuple[Kind, ...] = get_args(Kind)


def totals(test: Backtest, tally: BacktestTally) -> Table:
    """Return the number of flags by kind of difference, in total and for each label."""
    title = f"{escape(test.before.version)} → {escape(test.after.version)}"
    table = Table(title=title, title_justify="left")
    table.add_column("Label")
    for kind in SHOWN:
        table.add_column(MARKS[kind], justify="right")
    clean = Text(f"any ({tally.kinds.total()} transcripts)", style="bold")
    table.add_row(clean, *(str(tally.kinds[kind]) for kind in SHOWN), end_section=True)
    for label, kinds in sorted(tally.labels.items()):
        table.add_row(escape(label), *(str(kinds[kind]) for kind in SHOWN))
    return table


def examples(found: Iterable[Comparison], words: bool) -> Table:
    """Return a table of single differences. It shows their text only if `words` is set."""
    table = Table("Difference", "Said at", "Room type", "Before", "After", *(["Words"] if words else []))
    for each in found:
        flag = each.after
        said = [plain(flag.text)] if words else []
        verdicts = _verdict(each.before), _verdict(flag)
        table.add_row(MARKS[each.kind], utc(flag.start), plain(flag.room_type), *verdicts, *said)
    return table


def difference_line(each: Comparison) -> dict[str, Any]:
    """Return one difference without its text. `transcript` is the id of the stored transcript, which has the text."""
    flag = each.after
    return {
        "kind": each.kind,
        "transcript": flag.transcript,
        "room": flag.room,
        "room_type": flag.room_type,
        "start": round(flag.start, 3),
        "end": round(flag.end, 3),
        "language": flag.language,
        "before": _verdict_line(each.before),
        "after": _verdict_line(each.after),
    }


def total_line(test: Backtest, tally: BacktestTally, unreadable: int) -> dict[str, Any]:
    """Return the last line: the number of each kind, and of transcripts left out."""
    return {
        "kind": "total",
        "before": test.before.version,
        "after": test.after.version,
        "transcripts": tally.kinds.total(),
        **{kind: tally.kinds[kind] for kind in SHOWN},
        "labels": {label: {kind: kinds[kind] for kind in SHOWN} for label, kinds in sorted(tally.labels.items())},
        "skipped": test.skipped,
        "repeated": test.repeated,
        "unreadable": unreadable,
    }


def _verdict(flag: Flag) -> Text:
    labels = f" {', '.join(flag.flagged)}" if flagged(flag) else ""
    return Text(f"{SHAPES[flag.suggestion]} {flag.suggestion}{labels}", style=STYLES[flag.suggestion])


def _verdict_line(flag: Flag) -> dict[str, Any]:
    return {"suggestion": flag.suggestion, "flagged": list(flag.flagged), "risk": round(flag.risk, 6)}
