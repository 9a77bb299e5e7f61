"""`voxwarden backtest`: judge stored transcripts with a new policy and compare the results."""

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from agents.commands.app import Exit, app, say_error, settings_of
from agents.commands.cases import moment
from agents.commands.table import SHAPES, STYLES, clock, utc
from agents.commands.terminal import json_text, plain, progress_bar, stderr, stdout
from pipeline.base.errors import VoxwardenError
from pipeline.contract.messages import Flag, Transcript
from pipeline.settings import Settings

if TYPE_CHECKING:
    from agents.broker.stored_transcripts import Source, StoredTranscript
    from pipeline.judge.policy_comparison import Backtest, BacktestTally, Comparison, Kind

MARKS: "dict[Kind, str]" = {"new": "+ new", "gone": "- gone", "changed": "~ changed", "same": "= same"}
SHOWN: "tuple[Kind, ...]" = tuple(MARKS)

# Times below a year are seconds of a recording: nobody spoke in a live room in 1970.
RECORDED_SECONDS = 366 * 86_400.0


def totals(test: "Backtest", tally: "BacktestTally") -> Table:
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


def examples(found: "Iterable[Comparison]", words: bool) -> Table:
    """Return a table of single differences. It shows their text only if `words` is set."""
    table = Table("Difference", "Room", "Said at", "Room type", "Before", "After", *(["Words"] if words else []))
    for each in found:
        flag = each.after
        said = [plain(flag.text)] if words else []
        verdicts = _verdict(each.before), _verdict(flag)
        said_at = utc(flag.start) if flag.start >= RECORDED_SECONDS else clock(flag.start)
        table.add_row(MARKS[each.kind], plain(flag.room), said_at, plain(flag.room_type), *verdicts, *said)
    return table


def difference_line(each: "Comparison") -> dict[str, Any]:
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


def total_line(test: "Backtest", tally: "BacktestTally", unreadable: int) -> dict[str, Any]:
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
    from pipeline.judge.policy_comparison import flagged

    labels = f" {', '.join(flag.flagged)}" if flagged(flag) else ""
    return Text(f"{SHAPES[flag.suggestion]} {flag.suggestion}{labels}", style=STYLES[flag.suggestion])


def _verdict_line(flag: Flag) -> dict[str, Any]:
    return {"suggestion": flag.suggestion, "flagged": list(flag.flagged), "risk": round(flag.risk, 6)}


BATCH = 64  # texts that the classifier reads together

BacktestFormat = Literal["table", "jsonl"]


@app.command()
def backtest(
    ctx: typer.Context,
    policy: Annotated[str, typer.Option(help="The new policy, by name or path.")],
    against: Annotated[
        str | None, typer.Option(help="The policy to compare with, by name or path. Default: judge.policy.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", help="Start: an age such as 30m, 12h or 7d, or a UTC time such as 2026-01-31T08:00."),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="End, in the same formats. Default: no limit.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Judge at most this many transcripts.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="Read transcripts from this JSON-lines file, not from Kafka.")
    ] = None,
    examples: Annotated[
        int, typer.Option(min=0, help="Show at most this many examples of each kind of difference.")
    ] = 5,
    form: Annotated[
        BacktestFormat, typer.Option("--format", help="table for a person, jsonl for a program.")
    ] = "table",
) -> None:
    """Judge stored transcripts with two policies, and show which utterances they flag differently.

    Use it before you change a policy. The classifier reads each text once, and both policies use its scores. Nothing is
    delivered. Transcripts come from voice.transcripts on Kafka, or from a JSON-lines file, such as the output of
    `voxwarden transcribe --format jsonl`. For a file, --from and --to compare the time of the speech. The texts are
    shown only on a terminal. A transcript that cannot be read is reported, and the exit code is then 3.

    Examples:
      voxwarden backtest --policy new.yaml --from 12h
      voxwarden backtest --policy strict --file transcripts.jsonl --format jsonl > jsonl
    """
    from pipeline.judge.policy_comparison import build_backtest

    settings, now = settings_of(ctx), time.time()
    first = moment(since, now, "--from") if since else None
    end = moment(until, now, "--to") if until else None
    test = build_backtest(settings.judge, against or settings.judge.policy, policy)
    run = _Run(test, examples, lines=form == "jsonl")
    with _source(settings, file, first, end) as source:
        run.read(source, limit)
    run.report()
    raise typer.Exit(Exit.FAILED if run.unreadable else Exit.CLEAN)


def _source(
    settings: Settings, file: Path | None, since: float | None, until: float | None
) -> "AbstractContextManager[Source]":
    from agents.broker.stored_transcripts import from_file, from_kafka

    return from_file(file, since, until) if file else from_kafka(settings.kafka, since, until)


class _Run:
    """Compares transcripts, counts the differences, and keeps a few examples of each kind.

    With `lines` it prints every difference at once.
    """

    def __init__(self, test: "Backtest", examples: int, *, lines: bool) -> None:
        from pipeline.judge.policy_comparison import BacktestTally

        self._test = test
        self._lines = lines
        self._most = examples
        self._examples: list[Comparison] = []
        self.tally: BacktestTally = BacktestTally()
        self.unreadable = 0

    def read(self, source: "Source", limit: int | None) -> None:
        with progress_bar() as bar:
            task = bar.add_task("judging", total=_least(source.total, limit))
            for batch in _batches(islice(source.stream, limit), BATCH):
                for comparison in self._test.compare(self._good(batch)):
                    self._take(comparison)
                bar.advance(task, len(batch))

    def report(self) -> None:
        if self._lines:
            _write(total_line(self._test, self.tally, self.unreadable))
            return
        stdout.print(totals(self._test, self.tally))
        if self._examples:
            stdout.print(examples(self._examples, words=stdout.is_terminal))  # no speech in a log or a file
        if self._test.skipped:
            stderr.print(f"{self._test.skipped} utterances were skipped and have no text.")

    def _take(self, comparison: "Comparison") -> None:
        kind = comparison.kind
        self.tally.add(comparison)
        if kind == "same":
            return
        if self._lines:
            _write(difference_line(comparison))
        elif self.tally.kinds[kind] <= self._most:
            self._examples.append(comparison)

    def _good(self, batch: "Sequence[StoredTranscript]") -> list[Transcript]:
        for error in batch:
            if isinstance(error, VoxwardenError):
                self.unreadable += 1
                say_error(error)
        return [transcript for transcript in batch if isinstance(transcript, Transcript)]


def _batches(stream: "Iterable[StoredTranscript]", size: int) -> "Iterator[list[StoredTranscript]]":
    stream = iter(stream)
    while batch := list(islice(stream, size)):
        yield batch


def _least(*numbers: int | None) -> int | None:
    return min((number for number in numbers if number is not None), default=None)


def _write(line: dict[str, object]) -> None:
    sys.stdout.write(json_text(json.dumps(line, ensure_ascii=False)) + "\n")
