"""A report with every kind of content, without a store."""

import msgspec

from pipeline.assessment import attachments, catalogue
from pipeline.assessment.report import content, gather, stored_evidence
from pipeline.assessment.report.content import (
    ITEMS,
    AssessmentReport,
    DrillCount,
    DrillTime,
    Entries,
    File,
    Gap,
    Names,
    ReportedAnswer,
    ReportedDrill,
    ReportedEvidence,
    ReportedHazard,
    ReportedStep,
    ReportedTrigger,
    ReportItem,
    Restrictions,
    Reviewers,
    Versions,
)
from pipeline.review.quality.figure import Figure, Window
from pipeline.review.quality.statistics import Share
from pipeline.settings import Keep, Retention
from pipeline.settings.review import KeepLabel
from tests.builders import NOON

DAY = 86_400.0
KINDS = (
    *(source.kind for source in stored_evidence.SOURCES),
    "tallies",
    "policy",
    "lexicons",
    "labels",
    attachments.KIND,
)
"""The kinds of evidence."""
COUNTS = (
    *(f"evidence.{kind}" for kind in KINDS),
    "restrictions",
    "register",
    "drills",
    "reviewers",
    "shared",
)
SAID = "设安全管理负责人一名，信息审核人员三班轮值，7×24 小时在岗。\n培训每季度一次，考核合格后上岗。"
HASH = "0123456789abcdef" * 4


def report(**changes: object) -> AssessmentReport:
    """Return a draft. `changes` replaces fields."""
    made = AssessmentReport(
        id="2026-1",
        title="语音房服务安全评估",
        window=Window(NOON - 90 * DAY, NOON),
        opened_by="lena",
        opened_at=NOON + 60,
        versions=Versions(
            voxwarden="0.1.0", policies=("default@1a2b3c4d",), models=("baseline",), recogniser="ctranslate2 base"
        ),
        answers=answers(),
        items=tuple(map(item, ITEMS)),
        figures=figures(),
        drill_figures=(Figure(indicator="I-28", key="seconds", unit="seconds", value=4.2, n=5),),
        restrictions=(
            Restrictions(label="abuse", found_by="machine", action="mute", n=312),
            Restrictions(label="sexual", found_by="report", action="", n=8),
        ),
        definitions=tuple(gather.definition(each) for each in catalogue.INDICATORS.values()),
        labels={"sexual": Names("色情低俗", "Sexual content"), "abuse": Names("谩骂侮辱", "Insult")},
        triggers=triggers(),
        hazards=(hazard(),),
        drills=(drill(),),
        register=(Entries(kind="incident", n=2, open=1),),
        reviewers=Reviewers(accounts={"moderator": 12, "lead": 2}, deciders=11, decisions=48_210, audits=650),
        options={
            "low_confidence": 0.5,
            "languages": ["en", "zh"],
            "report": None,
            "appeal": 172_800.0,
            "limits": {"I-02.share": 0.95},
            "targets": [14_400.0, 3_600.0, 900.0, 300.0],
            "illegal": ["sexual"],
            "retention": Retention(labels={"abuse": KeepLabel(upheld=Keep(audio_days=9, case_days=10))}).model_dump(
                mode="json"
            ),
        },
        queries={name: (f"SELECT '{name}'",) for name in (*catalogue.INDICATORS, *COUNTS)},
        files=(File("policy.yaml", HASH, "name: default\n"), File("labels.yaml", HASH, "labels: {}\n")),
        settled=DAY,
        tallies=HASH,
        ledger=HASH,
        audit_head=HASH,
    )
    return msgspec.structs.replace(made, **changes)


def final(**changes: object) -> AssessmentReport:
    """Return a final report, in the form that its JSON gives back."""
    made = msgspec.structs.replace(report(**changes), finished_by="lena", finished_at=NOON + 3_600)
    return content.decode(content.encode(made), "sample")


def crowded() -> AssessmentReport:
    """Return a report whose summary is as long as it can be: nothing is measured, all is open."""
    conclusion = msgspec.structs.replace(said(answers()[0], SAID * 20), field="conclusion", part="3")
    hazards = tuple(msgspec.structs.replace(hazard(), id=f"H-{n}", title=SAID[:40] + str(n)) for n in range(1, 9))
    subject = msgspec.structs.replace(said(answers()[0], SAID[:20]), field="organisation_name")
    return final(answers=(*answers(), conclusion, subject), figures=(), drill_figures=(), hazards=hazards)


def answers() -> tuple[ReportedAnswer, ...]:
    names = {"1": "服务名称与功能", "3": "评估结论", "4": "本期变更"}
    return tuple(
        ReportedAnswer(
            field=f"field_{part}",
            part=part,
            name=Names(names.get(part, "落实情况"), f"Field of part {part}"),
            required=True,
            text=SAID,
            shown=Names(SAID, SAID),
            author="lena",
            at=NOON,
        )
        for part in content.PARTS
    )


def figures() -> tuple[Figure, ...]:
    """Return a figure for the main value of each indicator of operation but the last, and splits of precision."""
    kept = [each for each in catalogue.INDICATORS.values() if "drills" not in each.sources]
    whole = [_figure(place, each) for place, each in enumerate(kept)]
    splits = [
        Figure(
            indicator="I-10",
            key=next(iter(catalogue.INDICATORS["I-10"].values)),
            split={"label": label},
            unit="share",
            value=hits / 100,
            n=100,
            interval=Share(hits, 100).interval,
        )
        for label, hits in (("abuse", 71), ("sexual", 92))
    ]
    return tuple(whole + splits)


def _figure(place: int, indicator: catalogue.Indicator) -> Figure:
    key, value = next(iter(indicator.values.items()))
    measured: dict[str, object] = {"value": 0.9 if value.unit == "share" else 38.0 + place, "n": 1_020 + place}
    if value.unit == "share":
        measured |= {"interval": (0.881, 0.916), "threshold": 0.95 if place % 3 else 0.85, "met": place % 3 == 0}
    if place % 5 == 4:
        measured = {"unmeasured": "no_data"}
    return Figure(indicator=indicator.id, key=key, unit=value.unit, whole=place != 2, previous=0.87, **measured)  # type: ignore[arg-type]


def item(number: str) -> ReportItem:
    return ReportItem(
        number=number,
        indicators=gather.indicators_of(number),
        evidence=(
            ReportedEvidence(kind="decisions", n=48_210, sha256=HASH),
            ReportedEvidence(kind="tallies", sha256=HASH),
        ),
        gaps=(Gap("missed", "I-12"),) if number == "5(4)" else (),
        hazards=("H-1",) if number == "5(4)" else (),
    )


def hazard(about: str = "I-12.value") -> ReportedHazard:
    steps = (
        ReportedStep(at=NOON - DAY, author="ana", state="open", note="漏放多为地域蔑称。", evidence=()),
        ReportedStep(at=NOON, author="ana", state="fixed", note="词库已补充。", evidence=("lexicon.yaml 3f2a",)),
    )
    return ReportedHazard(
        id="H-1",
        source="threshold",
        about=about,
        title="谩骂与仇恨的漏放",
        found_at=NOON - 2 * DAY,
        owner="ana",
        due="2026-01-31",
        state="fixed",
        steps=steps,
    )


def triggers() -> tuple[ReportedTrigger, ...]:
    return (
        ReportedTrigger(
            id="t1",
            clause="3.4",
            signal="missed_illegal_speech",
            detail={"day": "2025-12-23", "n": 2, "cases": ["c-1", "c-2"]},
            found_at=NOON - 9 * DAY,
            state="accepted",
            decided_by="leo",
            decided_at=NOON - 8 * DAY,
            reason="构成违法有害信息传播扩散。",
            due="2026-02-11",
        ),
    )


def drill() -> ReportedDrill:
    counts = (
        DrillCount(language="zh", label="", lines=40, answered=40, right=39, named=0),
        DrillCount(language="zh", label="abuse", lines=20, answered=20, right=17, named=16),
    )
    times = (DrillTime(step="flag", n=17, median=2.4, longest=9.0),)
    return ReportedDrill(
        id="d1", kind="detection", started_at=NOON - DAY, ended_at=NOON - DAY + 600, counts=counts, times=times
    )


def stop_drill() -> ReportedDrill:
    counts = (DrillCount(language="", label="", lines=4, answered=0, right=0, named=0),)
    times = (
        DrillTime(step="decision", n=4, median=0.0, longest=0.0),
        DrillTime(step="action", n=3, median=2.0, longest=4.0),
    )
    return ReportedDrill(id="stop-1", kind="stop", started_at=NOON, ended_at=None, counts=counts, times=times)


def blank(answer: ReportedAnswer, required: bool = True) -> ReportedAnswer:
    """Return a field that nobody filled in."""
    return msgspec.structs.replace(answer, text=" ", author="", at=None, required=required)


def said(answer: ReportedAnswer, text: str) -> ReportedAnswer:
    """Return a field with this answer."""
    return msgspec.structs.replace(answer, text=text, shown=Names(text, text))


def gapped(item: ReportItem, *gaps: Gap) -> ReportItem:
    """Return an item with these gaps."""
    return msgspec.structs.replace(item, gaps=gaps)
