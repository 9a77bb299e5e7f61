"""The content of a report: everything that it says, in both languages, in one value.

HTML, PDF and tables are made from this value alone. So a final report can be made again after retention has deleted the
cases, and after policies, labels or texts have changed. It has no names of users and no transcripts, only case ids.
"""

from typing import Literal

import msgspec
from msgspec import Struct

from pipeline.base import canonical_json
from pipeline.base.errors import InputError
from pipeline.base.json_reading import read_json
from pipeline.review.quality.figure import Figure, Unit, Window

FORMAT = 1
"""Grows when an older Voxwarden could no longer read a report."""

ITEMS = ("5(1)", "5(2)", "5(3)", "5(4)", "5(5)", "5(6)", "5(7)", "5(8)")
"""The eight items of article 5. A report has all of them, always."""
PARTS = ("1", *ITEMS, "3", "4")
"""The parts in the order of article 6(2). The items of article 5 are part 2."""

GapKind = Literal["answer", "unmeasured", "missed"]


class Names(Struct, frozen=True):
    """One text in both languages."""

    zh: str
    en: str


class ReportedAnswer(Struct, frozen=True, kw_only=True):
    """One field that a person fills in. `text` is empty until somebody does.

    `shown` is the text for readers: for a choice, its names.
    """

    field: str
    part: str
    """One of PARTS."""
    name: Names
    required: bool
    text: str = ""
    shown: Names = Names("", "")
    author: str = ""
    at: float | None = None


class ReportedEvidence(Struct, frozen=True, kw_only=True):
    """Records that the store holds for an item. `sha256` covers the records of the window, so a change shows."""

    kind: str
    """A key of the texts `evidence`."""
    name: str = ""
    """For example the version of a policy."""
    n: int | None = None
    sha256: str = ""


class Gap(Struct, frozen=True):
    """What an item lacks: an answer, a measurement, or a value that keeps the operator's limit."""

    kind: GapKind
    about: str
    """The field, or the id of the indicator."""


class ReportItem(Struct, frozen=True, kw_only=True):
    """One item of article 5."""

    number: str
    indicators: tuple[str, ...]
    """Ids of the indicators whose figures belong to the item."""
    evidence: tuple[ReportedEvidence, ...]
    gaps: tuple[Gap, ...]
    hazards: tuple[str, ...]


class ReportedStep(Struct, frozen=True, kw_only=True):
    """One entry in the history of a hazard."""

    at: float
    author: str
    state: str
    note: str
    evidence: tuple[str, ...]


class ReportedHazard(Struct, frozen=True, kw_only=True):
    id: str
    source: str
    about: str
    title: str
    found_at: float
    owner: str
    due: str | None
    state: str
    steps: tuple[ReportedStep, ...]


class ReportedTrigger(Struct, frozen=True, kw_only=True):
    """A case of article 3 that was suggested or recorded, and what a person decided."""

    id: str
    clause: str
    signal: str
    detail: dict[str, object]
    found_at: float
    state: str
    decided_by: str
    decided_at: float | None
    reason: str
    due: str | None


class Entries(Struct, frozen=True, kw_only=True):
    """The number of entries of one kind in the register. What they say stays in the store: it is often confidential."""

    kind: str
    n: int
    open: int
    """Those without an end."""


class DrillCount(Struct, frozen=True, kw_only=True):
    """The test utterances of one language and label. An empty label: clean speech, which must pass."""

    language: str
    label: str
    lines: int
    answered: int
    right: int
    """Risky speech that was caught, or clean speech that passed."""
    named: int
    """Lines that were caught under their own label."""


class DrillTime(Struct, frozen=True, kw_only=True):
    """Seconds from the end of the speech, or from the order of a stop drill, to one step."""

    step: str
    """flag, decision or action."""
    n: int
    median: float | None
    longest: float | None


class ReportedDrill(Struct, frozen=True, kw_only=True):
    id: str
    kind: str
    started_at: float
    ended_at: float | None
    counts: tuple[DrillCount, ...]
    times: tuple[DrillTime, ...]


class ReportedValue(Struct, frozen=True, kw_only=True):
    """One value of an indicator: its name, unit, and which direction is better."""

    name: Names
    unit: Unit
    better: str | None


class Restrictions(Struct, frozen=True, kw_only=True):
    """The number of upheld decisions of one label, by who found the speech and which action followed."""

    label: str
    found_by: Literal["machine", "report", "audit"]
    action: str
    """Empty: none."""
    n: int


class Definition(Struct, frozen=True, kw_only=True):
    """How an indicator is computed."""

    id: str
    name: Names
    definition: Names
    formula: Names
    source: Names
    compute: str
    """The function that computes it."""
    values: dict[str, ReportedValue]


class File(Struct, frozen=True):
    """A file in force. `text` is empty for a large file, which only has its hash."""

    name: str
    sha256: str
    text: str = ""


class Versions(Struct, frozen=True, kw_only=True):
    """The software that judged the speech of the window."""

    voxwarden: str
    policies: tuple[str, ...]
    models: tuple[str, ...]
    recogniser: str


class Reviewers(Struct, frozen=True, kw_only=True):
    """The people who decided in the window, as numbers."""

    accounts: dict[str, int]
    """Active accounts by role."""
    deciders: int
    decisions: int
    audits: int
    """Decided audits of passed speech."""


class AssessmentReport(Struct, frozen=True, kw_only=True):
    """A whole report. `finished_by` is empty in a draft."""

    format: int = FORMAT
    id: str
    title: str
    window: Window
    opened_by: str
    opened_at: float
    finished_by: str = ""
    finished_at: float | None = None
    open_reason: str = ""
    """Why the report is final although hazards or triggers are open. Empty: none is."""
    versions: Versions
    answers: tuple[ReportedAnswer, ...]
    items: tuple[ReportItem, ...]
    figures: tuple[Figure, ...]
    drill_figures: tuple[Figure, ...]
    """Figures of test data. They never stand beside figures of operation."""
    restrictions: tuple[Restrictions, ...]
    definitions: tuple[Definition, ...]
    labels: dict[str, Names]
    triggers: tuple[ReportedTrigger, ...]
    hazards: tuple[ReportedHazard, ...]
    drills: tuple[ReportedDrill, ...]
    register: tuple[Entries, ...]
    reviewers: Reviewers
    options: dict[str, object]
    """The settings that the figures depend on."""
    queries: dict[str, tuple[str, ...]]
    """The SQL behind the numbers: by indicator, and by `evidence.KIND`, `restrictions`, `reviewers`, `register`."""
    files: tuple[File, ...]
    settled: float
    """Seconds by which the tallies begin before the window: loss is measured when no message is on its way."""
    tallies: str
    """SHA-256 of the hourly tallies of the window, as in `tallies.csv`."""
    ledger: str
    """SHA-256 of the app's ledger of room hours, as in `room_hours.csv`."""
    audit_head: str
    """Hash of the newest line of the audit log before this report."""

    @property
    def final(self) -> bool:
        return bool(self.finished_by)

    @property
    def zone(self) -> str:
        """The name of the time zone of its days and times."""
        return str(self.options.get("zone", "UTC"))

    @property
    def data_window(self) -> Window:
        """The time whose tallies the figures need."""
        return Window(self.window.since - self.settled, self.window.until)

    @property
    def open_hazards(self) -> tuple[ReportedHazard, ...]:
        """The hazards whose end nobody has proved."""
        return tuple(each for each in self.hazards if each.state != "closed")

    @property
    def open_triggers(self) -> tuple[ReportedTrigger, ...]:
        """The triggers that wait for a decision."""
        return tuple(each for each in self.triggers if each.state == "suggested")

    @property
    def missing(self) -> tuple[ReportedAnswer, ...]:
        """The required fields that are empty."""
        return tuple(answer for answer in self.answers if answer.required and not answer.text.strip())


def encode(report: AssessmentReport) -> bytes:
    """Return the report as canonical JSON."""
    return canonical_json.canonical_bytes(report)


def decode(content: bytes | str, name: str) -> AssessmentReport:
    """Read a report. Raises InputError, which names `name`, for other content."""
    try:
        report = read_json(content, AssessmentReport)
    except msgspec.DecodeError as error:
        raise InputError(
            f"{name} is not the content of a report: {error}",
            "Make the report again.",
            text="report_unreadable",
            name=name,
            why=error,
        ) from error
    if report.format != FORMAT:
        raise InputError(
            f"{name} has format {report.format}",
            "Use the Voxwarden that made it.",
            text="report_format",
            name=name,
            format=report.format,
        )
    return report
