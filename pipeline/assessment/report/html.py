"""The report and the public transparency page as HTML, in Chinese or English. Equal content gives equal pages.

The public page has no ids of cases, no hand-written texts and no names.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import tzinfo
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from markupsafe import Markup
from msgspec import Struct

from pipeline.assessment.hazards import Hazard
from pipeline.assessment.report import content, wording
from pipeline.assessment.report.content import AssessmentReport, ReportedAnswer, ReportItem
from pipeline.assessment.report.figure_rows import ReportRow, ReportRows, setting_rows
from pipeline.assessment.report.summary import summary
from pipeline.assessment.report.wording import FOLDER, Language, signal, texts
from pipeline.assessment.workdays import zone_of
from pipeline.base import canonical_json

TEMPLATES = Path(__file__).parent / "templates"
HAN = range(0x4E00, 0xA000)
"""Code points of Chinese characters: CJK Unified Ideographs."""
RECALL = "I-12"
LIMITS = {"I-01": "room_coverage", "I-03": "loss", "I-04": "hard"}
"""Indicators whose figures limit what the others say, with the keys of their texts."""
SPOKEN = ("I-04", "spoken")
"""The share of a language that is not moderated in all speech."""
COUNTED = re.compile(r"\d+ / \d+$")
"""The end of a title of a drill's hazard: what went right, of how many."""
MISSED = re.compile(r": (\S+) ([<>]) (\S+)$")
"""The end of a title of a missed limit: the value and the limit."""
MOMENT = 1e9
"""Larger numbers in the details of a trigger are moments in UTC seconds."""
SHARES = ("share", "growth")
"""Details that are shares of 1."""
SUBJECTS = ("organisation_name", "person_name")
"""Fields with the name of the organisation or the person that the report is about."""
OWN_ITEM = "5(4)"
"""The item about handling, which repeats these limits."""


class ItemView(Struct, frozen=True, kw_only=True):
    """An item of article 5 as its section shows it."""

    item: ReportItem
    answers: tuple[ReportedAnswer, ...]
    rows: tuple[ReportRow, ...]
    printed: dict[str, str]
    """The number of an earlier item that has the rows, by indicator. An inspector reads a figure once."""
    parts: tuple[str, ...]
    """The indicators that have values for parts of the speech, in figures.csv."""
    limits: tuple[str, ...]
    gaps: tuple[str, ...]
    hazards: tuple[content.ReportedHazard, ...]

    @property
    def filled(self) -> int:
        return sum(bool(answer.text.strip()) for answer in self.answers)

    @property
    def own_rows(self) -> tuple[ReportRow, ...]:
        """The rows that no earlier item has."""
        return tuple(row for row in self.rows if row.indicator not in self.printed)

    @property
    def measured(self) -> int:
        """The number of indicators with a value."""
        return len({row.indicator for row in self.rows if row.value})

    @property
    def open(self) -> int:
        return sum(hazard.state != "closed" for hazard in self.hazards)


def render(report: AssessmentReport, language: Language) -> str:
    """Return the whole report as a page without outside files."""
    made = ReportRows(report, language)
    return (
        _environment()
        .get_template("report.html")
        .render(
            {
                "report": report,
                "summary": summary(report, language),
                "subject": _subject(report, language),
                "restrictions": restriction_table(report, language),
                "settings": setting_rows(report, language),
                "hazard_title": lambda hazard: hazard_title(hazard, report.definitions, report.labels, language),
                "detail": lambda name, value: detail(name, value, language, zone_of(report.zone)),
                **_zone(report, language),
                "language": language,
                "t": texts(language),
                "digest": canonical_json.digest(content.encode(report)),
                "css": Markup((TEMPLATES / "report.css").read_text("utf-8")),  # noqa: S704 - our own file
                "items": item_views(report, language),
                "answers": _by_part(report),
                "drill_rows": made.whole(
                    report.drill_figures, dict.fromkeys(f.indicator for f in report.drill_figures)
                ),
                "text": lambda names: getattr(names, language),
                "part": made.part,
                "seconds": lambda value: wording.seconds(value, language),
                "signal": lambda trigger: signal(trigger.signal, language),
            }
        )
    )


def item_views(report: AssessmentReport, language: Language) -> list[ItemView]:
    """Return the sections of the eight items."""
    made = ReportRows(report, language)
    apart = {each.indicator for each in report.figures if each.split}
    first: dict[str, str] = {}
    views = []
    for item in report.items:
        views.append(_item_view(report, item, language, made, apart, dict(first)))
        first = {row.indicator: item.number for row in views[-1].rows} | first
    return views


def hazard_title(
    hazard: content.ReportedHazard | Hazard,
    definitions: Iterable[content.Definition],
    labels: Mapping[str, content.Names],
    language: Language,
) -> str:
    """Return the title of a hazard in words: the figure that misses its limit, or what a drill missed."""
    words = texts(language)
    if hazard.source == "drill" and (counted := COUNTED.search(hazard.title)):
        what = hazard.about.split(" ")[1:]  # a language and a label, or nothing for a stop drill
        named = [words["values"]["language"].get(each, each) for each in what[:1]]
        named += [getattr(labels[each], language) if each in labels else words["clean"] for each in what[1:]]
        kind = words["drill_kinds"]["detection" if what else "stop"]
        return f"{kind}{words['colon']}{words['comma'].join((*named, counted[0]))}"
    indicator, _, key = hazard.about.partition(" ")[0].partition(".")
    known = {each.id: each for each in definitions}
    if hazard.source != "threshold" or indicator not in known or key not in known[indicator].values:
        return hazard.title
    value = known[indicator].values[key]
    title = f"{indicator} {getattr(known[indicator].name, language)}{words['colon']}{getattr(value.name, language)}"
    if not (missed := MISSED.search(hazard.title)):
        return title
    found, limit = (wording.shown(float(missed[n]), value.unit, language) for n in (1, 3))
    return f"{title} {found} {missed[2]} {limit}"


def render_with(template: str, values: Mapping[str, Any]) -> str:
    """Render another template of the report with these values."""
    return _environment().get_template(template).render(values)


@cache
def version() -> str:
    """Return the version of Voxwarden, and a hash of the templates and texts."""
    # Pages are compared byte for byte, and a developer changes templates without a new version number.
    files = sorted([*TEMPLATES.iterdir(), *FOLDER.iterdir()])
    made = canonical_json.digest(b"".join(file.read_bytes() for file in files if file.is_file()))
    return f"{metadata.version('voxwarden')}+{made[:16]}"


def detail(name: str, value: object, language: Language, zone: tzinfo) -> str:
    """Return a detail of a trigger as text: ids, a share, a number, or a moment in UTC seconds."""
    if isinstance(value, list | dict):
        return " · ".join(map(str, value.values() if isinstance(value, dict) else value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        if name in SHARES:
            return wording.shown(value, "share", language)
        return wording.moment(value, zone) if value > MOMENT else wording.plain(value, language)
    return str(value)


def tongue(text: str) -> str:
    """Return the language code of a text that a person wrote: zh if it has a Chinese character, else en."""
    # For the font, and for programs that read the page aloud.
    return "zh" if any(ord(letter) in HAN for letter in text) else "en"


class RestrictionTable(Struct, frozen=True):
    """The upheld violations of each label and source, by action. `actions` are the columns."""

    actions: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[int, ...]], ...]
    """Label, source, numbers."""


def restriction_table(report: AssessmentReport, language: Language) -> RestrictionTable:
    """Return the restrictions as a table. Decisions without a label have a row of their own."""
    words, made = texts(language), ReportRows(report, language)
    # In the order of the texts, which is from mild to hard.
    actions = [name for name in words["actions"] if any(each.action == name for each in report.restrictions)]
    found: dict[tuple[str, str], dict[str, int]] = {}
    for each in report.restrictions:
        found.setdefault((each.label, each.found_by), {})[each.action] = each.n
    rows = tuple(
        (made.part("label", label) or words["no_label"], words["found_by"][by], tuple(n.get(a, 0) for a in actions))
        for (label, by), n in found.items()
    )
    return RestrictionTable(tuple(words["actions"][name] for name in actions), rows)


def _item_view(
    report: AssessmentReport,
    item: ReportItem,
    language: Language,
    made: ReportRows,
    apart: set[str],
    printed: Mapping[str, str],
) -> ItemView:
    operation = [name for name in item.indicators if name not in {each.indicator for each in report.drill_figures}]
    rows = tuple(made.whole(report.figures, operation))
    return ItemView(
        item=item,
        answers=_by_part(report).get(item.number, ()),
        rows=rows,
        printed={name: printed[name] for name in operation if name in printed},
        parts=tuple(name for name in operation if name in apart and name not in printed),
        limits=tuple(_limits(report, item, rows, language)),
        gaps=tuple(dict.fromkeys(_gaps(report, item, language))),  # several values of an indicator have one name
        hazards=tuple(each for each in report.hazards if each.id in item.hazards),
    )


def _subject(report: AssessmentReport, language: Language) -> str:
    """Return the name of the organisation or the person that the report is about; empty if nobody filled it in."""
    found = {each.field: getattr(each.shown, language) for each in report.answers}
    return next((found[field] for field in SUBJECTS if found.get(field)), "")


def _limits(report: AssessmentReport, item: ReportItem, rows: tuple[ReportRow, ...], language: Language) -> list[str]:
    """Return what the figures of an item do not show."""
    words, comma = texts(language)["limits"], texts(language)["comma"]
    found = _limits_of_handling(report, rows, language) if item.number == OWN_ITEM else []
    measured = {row.indicator for row in rows if row.value}
    unmeasured = dict.fromkeys(row.indicator for row in rows if row.indicator not in measured)
    if unmeasured:
        found.append(words["unmeasured"].format(names=comma.join(unmeasured)))
    silent = _labels_without_recall(report, language) if RECALL in item.indicators else []
    if silent:
        found.append(words["labels"].format(names=comma.join(silent)))
    return [*found, words["partial"]] if any(row.partial for row in rows) else found


def _limits_of_handling(report: AssessmentReport, rows: tuple[ReportRow, ...], language: Language) -> list[str]:
    words = texts(language)
    found = []
    for indicator, key in LIMITS.items():
        values = words["comma"].join(
            f"{row.name} {row.value}" for row in rows if row.indicator == indicator and row.value
        )
        found.append(words["limits"][key] + (words["brackets"].format(values) if values else ""))
    return [*found, *_other_languages(report, language), words["limits"]["outside"]]


def _other_languages(report: AssessmentReport, language: Language) -> list[str]:
    """Name the languages that are not moderated, with their shares of all speech, the largest first."""
    words = texts(language)
    found = [(each.value, each.split["language"]) for each in report.figures if (each.indicator, each.key) == SPOKEN]
    largest = sorted(((share, code) for share, code in found if share), key=lambda each: (-each[0], each[1]))
    names = words["values"]["language"]
    shares = [f"{names.get(code, code)} {wording.shown(share, 'share', language)}" for share, code in largest]
    return [words["limits"]["languages"].format(shares=words["comma"].join(shares))] if shares else []


def _labels_without_recall(report: AssessmentReport, language: Language) -> list[str]:
    # Without recall, nobody knows how much speech of a label was missed. The report must not hide that.
    recalls = [each for each in report.figures if each.indicator == RECALL and each.value is not None]
    measured = {each.split.get("label") for each in recalls}
    return [getattr(names, language) for label, names in report.labels.items() if label not in measured]


def _gaps(report: AssessmentReport, item: ReportItem, language: Language) -> list[str]:
    names = {answer.field: getattr(answer.name, language) for answer in report.answers}
    names |= {each.id: f"{each.id} {getattr(each.name, language)}" for each in report.definitions}
    words = texts(language)["gaps"]
    return [words[gap.kind].format(about=names.get(gap.about.partition(".")[0], gap.about)) for gap in item.gaps]


def _by_part(report: AssessmentReport) -> dict[str, tuple[ReportedAnswer, ...]]:
    return {part: tuple(a for a in report.answers if a.part == part) for part in content.PARTS}


def _zone(report: AssessmentReport, language: Language) -> dict[str, object]:
    """Return the time zone of a page, and its name."""
    return {"zone": zone_of(report.zone), "zone_name": wording.zone_name(report.zone, language)}


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,  # a misspelt name must not leave a hole in a report
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "moment": pass_context(lambda context, at: wording.moment(at, context["zone"])),
        "day": pass_context(lambda context, at: wording.day(at, context["zone"])),
        "iso": wording.iso,
        "tongue": tongue,
        "bdi": Markup("<bdi>{}</bdi>").format,  # Markup.format escapes what it fills in
    }
    return made


SHOWN = ("I-02", "I-03", "I-05", "I-06", "I-07", "I-10", "I-12", "I-13", "I-15", "I-19", "I-20")
"""Indicators of public interest."""


def transparency_page(report: AssessmentReport, language: Language) -> str:
    """Return the page in one language."""
    made = ReportRows(report, language)
    return render_with(
        "transparency.html",
        {
            "report": report,
            **_zone(report, language),
            "language": language,
            "t": texts(language),
            "css": Markup((TEMPLATES / "report.css").read_text("utf-8")),  # noqa: S704 - our own file
            "rows": made.whole(report.figures, SHOWN),
            "part_tables": made.parts(report.figures, ("I-10", "I-12")),
            "restrictions": restriction_table(report, language),
            "definitions": [each for each in report.definitions if each.id in SHOWN],
            "text": lambda names: getattr(names, language),
        },
    )
