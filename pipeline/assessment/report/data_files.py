"""A report as files for programs: figures as JSON and CSV, and the tallies and room hours behind them as CSV.

The CSV of tallies and room hours can be loaded into an empty store, so that the figures can be computed again.
"""

import csv
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple, get_args

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, insert, select

from pipeline.assessment.report.content import AssessmentReport
from pipeline.base import canonical_json
from pipeline.base.errors import InputError
from pipeline.review.database import PAGE, json_list
from pipeline.review.delivery.speech_tallies import Measure
from pipeline.review.quality.figure import Figure, Window, hours
from pipeline.review.tables.assessment_tables import ROOM_HOURS, TALLIES

COLUMNS = (
    "data",
    "indicator",
    "name_zh",
    "name_en",
    "key",
    "split",
    "unit",
    "value",
    "low",
    "high",
    "bound",
    "caveat",
    "n",
    "unmeasured",
    "whole",
    "previous",
    "threshold",
    "met",
    "since",
    "until",
    "compute",
)


def figures_json(report: AssessmentReport) -> bytes:
    """Return all figures with their definitions as canonical JSON."""
    return canonical_json.canonical_bytes(
        {
            "assessment": report.id,
            "window": report.window,
            "operation": report.figures,
            "drills": report.drill_figures,
            "definitions": report.definitions,
        }
    )


def figures_csv(report: AssessmentReport) -> bytes:
    """Return all figures as CSV. The column `data` tells operation from drills."""
    kinds = (("operation", report.figures), ("drill", report.drill_figures))
    return table(COLUMNS, (_row(report, kind, figure) for kind, figures in kinds for figure in figures))


def queries_sql(report: AssessmentReport) -> bytes:
    """Return the SQL behind the numbers, each under the name of what it computes."""
    parts = ["-- " + name + "\n" + ";\n".join(sql) + ";\n" for name, sql in sorted(report.queries.items())]
    return "\n".join(parts).encode()


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return rows as CSV in UTF-8. None becomes an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if value is None else value for value in row] for row in rows)
    return text.getvalue().encode()


def _row(report: AssessmentReport, kind: str, figure: Figure) -> list[object]:
    definition = next(each for each in report.definitions if each.id == figure.indicator)
    low, high = figure.interval or (None, None)
    return [
        kind,
        figure.indicator,
        definition.name.zh,
        definition.name.en,
        figure.key,
        ";".join(f"{name}={value}" for name, value in sorted(figure.split.items())),  # a comma would need quotes
        figure.unit,
        figure.value,
        low,
        high,
        figure.bound,
        figure.caveat,
        figure.n,
        figure.unmeasured,
        str(figure.whole).lower(),
        figure.previous,
        figure.threshold,
        "" if figure.met is None else str(figure.met).lower(),
        report.window.since,
        report.window.until,
        definition.compute,
    ]


MEASURES: tuple[Measure, ...] = get_args(Measure)
TALLY_FILE, LEDGER_FILE = "tallies.csv", "room_hours.csv"
TABLES: Mapping[str, Table] = {TALLY_FILE: TALLIES, LEDGER_FILE: ROOM_HOURS}
"""The tables that a bundle has, by file."""
FAST = 1
"""The level of zlib: a quarter's tallies take seconds at the default one."""
LEFT_OUT = {"received_at"}
"""Columns that no figure uses."""
TEXTS = ("bucket", "room_type", "language", "label", "policy", "model")
"""The columns of the tallies between the hour and the numbers."""
HOURS = 24
"""Hours that are read at a time: those of a quarter would fill the memory."""
DECODE = msgspec.json.decode


class Packed(NamedTuple):
    """A file, compressed with zlib, and the SHA-256 of the file itself."""

    content: bytes
    sha256: str


def packed(connection: Connection, window: Window) -> dict[str, Packed]:
    """Return the tallies and the app's ledger of room hours of the window as CSV, by file."""
    return {name: _packed(_pages(connection, table, window)) for name, table in TABLES.items()}


def _packed(pages: Iterable[bytes]) -> Packed:
    # Page by page: the CSV of a quarter would fill the memory.
    made, digest, parts = zlib.compressobj(FAST), sha256(), []
    for page in pages:
        digest.update(page)
        parts.append(made.compress(page))
    return Packed(b"".join([*parts, made.flush()]), digest.hexdigest())


def load(connection: Connection, content: bytes, table: Table) -> None:
    """Write the rows of a file of `packed` into an empty table. Raises InputError for other content."""
    try:
        rows = [_tally_row(table, row) for row in csv.DictReader(io.StringIO(content.decode()))]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"The table {table.name} cannot be read: {error}",
            "Get the bundle again.",
            text="bundle_damaged",
            name=table.name,
            why=error,
        ) from error
    for at in range(0, len(rows), PAGE):  # SQLAlchemy prepares all rows of one call at once
        connection.execute(insert(table), rows[at : at + PAGE])


def _pages(connection: Connection, table: Table, window: Window) -> Iterator[bytes]:
    """Yield the lines of a table, some hours at a time."""
    columns, inside = _columns(table), hours(window)
    yield _lines([columns])
    kept = (table.c.hour >= inside.start, table.c.hour < inside.stop)
    if table is TALLIES:
        yield from _tallies(connection, kept)
    else:  # sorted here, because the order of texts depends on the database
        yield _lines(sorted(map(tuple, connection.execute(select(*(table.c[name] for name in columns)).where(*kept)))))


def _tallies(connection: Connection, kept: Sequence[ColumnElement[bool]]) -> Iterator[bytes]:
    """Yield the lines of an hour of a measure. The database packs each column as JSON."""
    columns = [json_list(connection, TALLIES.c[name]) for name in (*TEXTS, "count", "samples")]
    of_hour = (TALLIES.c.measure, TALLIES.c.hour)
    csv_of = _Cells()
    # By measure, as the index of the tallies has them, so that the database need not sort them all.
    for measure in MEASURES:
        query = select(*of_hour, *columns).where(*kept, TALLIES.c.measure == measure)
        ordered = query.group_by(*of_hour).order_by(*of_hour)
        texts: list[str] = []
        for _, hour, *found, counts, samples in connection.execute(ordered, execution_options={"yield_per": HOURS}):
            if found != texts:  # most hours have the same cells
                texts, keys = found, [*zip(*map(DECODE, found), strict=True)]
                cells = [(place, csv_of[keys[place]]) for place in sorted(range(len(keys)), key=keys.__getitem__)]
            n, length = DECODE(counts), DECODE(samples)
            yield "".join([f"{measure},{hour},{cell},{n[at]},{length[at]}\n" for at, cell in cells]).encode()


class _Cells(dict[tuple[str, ...], str]):
    """The CSV of the texts of a tally. Each hour has the same texts, and to quote them takes most of the time."""

    def __missing__(self, texts: tuple[str, ...]) -> str:
        self[texts] = _lines([texts]).decode().removesuffix("\n")
        return self[texts]


def _lines(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _columns(table: Table) -> Sequence[str]:
    return [column.name for column in table.columns if column.name not in LEFT_OUT]


def _tally_row(table: Table, row: dict[str, str]) -> dict[str, Any]:
    kinds: Iterator[tuple[str, Any]] = ((column.name, column.type.python_type) for column in table.columns)
    return {name: 0.0 if name in LEFT_OUT else kind(row[name]) for name, kind in kinds}
