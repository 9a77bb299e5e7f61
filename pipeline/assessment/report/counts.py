"""Numbers of a report that are no figures, and the sections of the annex with the query behind each number."""

from collections.abc import Iterator

from msgspec import Struct

from pipeline.assessment.report.content import AssessmentReport
from pipeline.assessment.report.figure_rows import ReportRows
from pipeline.assessment.report.wording import Language, texts


class RestrictionTable(Struct, frozen=True):
    """The upheld violations of each label and source, by action. `actions` are the columns."""

    actions: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[int, ...]], ...]
    """Label, source, numbers."""


class QuerySection(Struct, frozen=True, kw_only=True):
    """The SQL behind the numbers of one kind."""

    name: str
    """As in the content of the report, for example `I-06` or `evidence.cases`. The anchor is Q- and this name."""
    title: str
    about: str
    """The meaning of the numbers. Empty for an indicator, which has its definition."""
    sql: tuple[str, ...]


def restriction_table(report: AssessmentReport, language: Language) -> RestrictionTable:
    """Return the restrictions as a table. A label that nobody gave is named as such."""
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


def query_sections(report: AssessmentReport, language: Language) -> list[QuerySection]:
    """Return the sections in the order of the indicators, then the sections of other numbers."""
    names = {each.id: f"{each.id} {getattr(each.name, language)}" for each in report.definitions}
    names |= dict(_others(language))
    about = texts(language)["query_about"]
    return [
        QuerySection(
            name=name,
            title=title,
            about=about.get(name.partition(".")[0], ""),
            sql=report.queries.get(name, ()),
        )
        for name, title in names.items()
    ]


def _others(language: Language) -> Iterator[tuple[str, str]]:
    words = texts(language)
    for kind, name in words["evidence"].items():
        if kind not in {"tallies", "policy", "labels"}:  # files and exports, which are hashed as they are
            yield f"evidence.{kind}", f"{words['evidence_head']}{words['colon']}{name}"
    yield from words["query_titles"].items()
