"""The page shows everything, in both languages, and nothing twice under one id."""

import re
from datetime import UTC
from html.parser import HTMLParser

import msgspec
import pytest
from markupsafe import escape

from pipeline.assessment.report import bundle, html
from pipeline.assessment.report.content import ITEMS, Gap
from pipeline.assessment.report.wording import LANGUAGES, Language, signal, texts
from pipeline.review.quality.figure import Figure, Window
from tests.builders import NOON
from tests.pipeline.assessment.report import samples


class Anchors(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if (found.get("href") or "").startswith("#"):
            self.links.append(str(found["href"])[1:])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_link_has_its_target(language: Language) -> None:
    anchors = Anchors(html.render(samples.report(), language))
    assert len(anchors.ids) == len(set(anchors.ids))
    assert anchors.links
    assert set(anchors.links) <= set(anchors.ids)


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_parts_and_items_are_there_without_any_data(language: Language) -> None:
    words = texts(language)
    empty = samples.report(answers=(), figures=(), drill_figures=(), triggers=(), hazards=(), drills=())
    page = html.render(empty, language)
    assert all(str(escape(words["items"][item])) in page for item in ITEMS)
    assert all(part in page for part in words["parts"].values())
    indicators = {name for item in empty.items for name in item.indicators}
    assert page.count(f"<b>{words['not_measured']}</b>") >= len(indicators)


def test_a_draft_says_so_and_a_final_report_does_not() -> None:
    assert "草稿，不得提交" in html.render(samples.report(), "zh")
    final = html.render(samples.final(), "zh")
    assert "草稿" not in final
    assert "<bdi>lena</bdi>，2026-01-01 13:00" in final


def test_a_hand_written_text_has_author_and_time_and_is_escaped() -> None:
    [first, *_] = samples.answers()
    page = html.render(samples.report(answers=(samples.said(first, "<script>x</script>"),)), "zh")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "人工填写 · <bdi>lena</bdi>，2026-01-01 12:00" in page


def test_an_empty_field_is_shown() -> None:
    [first, *_] = samples.answers()
    assert '<dd class="empty">未填写</dd>' in html.render(samples.report(answers=(samples.blank(first),)), "zh")


def test_test_data_share_no_table_with_operation() -> None:
    page = html.render(samples.report(), "en")
    tables = re.findall(r'<table class="figures">.*?</table>', page, flags=re.DOTALL)
    of_drills = [table for table in tables if "#I-28" in table]
    assert len(of_drills) == 1
    assert set(re.findall(r'href="#(I-\d+)"', of_drills[0])) == {"I-28"}


def test_limits_name_what_is_not_measured() -> None:
    figures = tuple(
        Figure(indicator="I-12", key="share", split={"label": label}, unit="share", value=0.5) for label in ("abuse",)
    )
    views = {view.item.number: view for view in html.item_views(samples.report(figures=figures), "en")}
    limits = " ".join(views["5(4)"].limits)
    assert "no audit found them: Sexual content." in limits
    assert "Text of" not in limits


def test_limits_name_the_languages_that_are_not_moderated() -> None:
    shares = {"fr": 0.031, "vi": 0.2, "haw": 0.004, "de": 0.0}
    figures = tuple(
        Figure(indicator="I-04", key="spoken", split={"language": language}, unit="share", value=share)
        for language, share in shares.items()
    )
    sentences: dict[Language, str] = {
        "en": "Share of the speech in languages that are not moderated: Vietnamese 20%, French 3.1%, haw 0.4%.",
        "zh": "不在审核范围内的语言占全部语音的比例：越南语 20%，法语 3.1%，haw 0.4%。",
    }
    for language, sentence in sentences.items():
        views = {view.item.number: view for view in html.item_views(samples.report(figures=figures), language)}
        assert sentence in views["5(4)"].limits


def test_gaps_have_names() -> None:
    item = samples.item("5(1)")
    gapped = [samples.gapped(item, Gap("answer", "field_1"), Gap("missed", "I-02.share"))]
    [view] = html.item_views(samples.report(items=tuple(gapped)), "en")
    assert view.gaps == (
        "A required field is empty: Field of part 1",
        "A figure does not keep the operator's limit: I-02 Speech coverage",
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_sql_and_values_of_parts_are_in_files_that_the_report_names(language: Language) -> None:
    report = samples.report(queries={"I-12": ("SELECT everything",)})
    page = html.render(report, language)
    assert "SELECT everything" not in page
    assert "SELECT everything" in bundle.parts(report)["queries.sql"].decode()
    assert "92%" not in page, "the precision of one label"
    assert "label=sexual" in bundle.parts(report)["figures.csv"].decode()
    assert {"figures.csv", "queries.sql"} <= set(re.findall(r"\w+\.(?:csv|sql)", page))


def test_an_item_names_the_indicators_with_values_for_parts() -> None:
    views = {view.item.number: view for view in html.item_views(samples.report(), "en")}
    assert views["5(4)"].parts == ("I-10",)
    assert views["5(3)"].parts == ()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_figure_is_printed_in_the_first_item_that_uses_it(language: Language) -> None:
    report = samples.report()
    views = {view.item.number: view for view in html.item_views(report, language)}
    shown = [row.indicator for view in views.values() for row in view.own_rows]
    assert len(shown) == len(set(shown)), "the sample has one value of each"
    assert "I-22" in {row.indicator for row in views["5(3)"].own_rows}
    assert views["5(5)"].printed["I-22"] == "5(3)"
    page = html.render(report, language)
    later = page.partition('id="item-5"')[2].partition('id="item-6"')[0]
    assert {"zh": "见第五条第（三）项", "en": "see Article 5(3)"}[language] in later


def test_the_tongue_of_a_text() -> None:
    assert (html.tongue("抽检"), html.tongue("audit")) == ("zh", "en")


@pytest.mark.parametrize(("language", "name"), [("zh", "北京时间"), ("en", "Beijing time")])
def test_days_and_times_have_the_zone_of_the_report(language: Language, name: str) -> None:
    until = NOON + 5 * 3_600
    made = samples.final(
        window=Window(until - 86_400, until), options=samples.report().options | {"zone": "Asia/Shanghai"}
    )
    page = html.render(made, language)
    assert "<dd>2026-01-01 01:00 – 2026-01-02 01:00</dd>" in page
    assert "<bdi>lena</bdi>，2026-01-01 21:00" in page or "<bdi>lena</bdi>, 2026-01-01 21:00" in page
    assert "UTC)" not in page
    assert page.count(name) >= 3
    assert f"2026-01-01 – 2026-01-02 ({name})" in html.transparency_page(made, language)


def test_the_same_content_gives_the_same_page() -> None:
    assert html.render(samples.final(), "zh") == html.render(samples.final(), "zh")


def test_a_signal_has_a_name_and_its_details_are_readable() -> None:
    assert signal("missed_illegal_speech", "en") == "Illegal information that the machine passed"
    assert signal("room_type:quiz", "zh") == "首见房间类型：quiz"
    assert signal("language:zh", "zh") == "首见语言：中文"
    assert signal("I-24.value", "zh") == "I-24.value"
    shown = [html.detail("x", value, "en", UTC) for value in (["c-1", "c-2"], 0.25, NOON, "x", {"path": "a.pdf"})]
    assert shown == ["c-1 · c-2", "0.25", "2026-01-01 12:00", "x", "a.pdf"]
    assert html.detail("share", 0.25, "zh", UTC) == "25%"


@pytest.mark.parametrize(
    ("source", "about", "title", "zh"),
    [
        ("threshold", "I-12.share", "Low", "I-12 召回率：召回率"),
        ("threshold", "I-12.share", "I-12.share: 0.61 < 0.9", "I-12 召回率：召回率 61% < 90%"),
        ("threshold", "I-12.other", "Low", "Low"),
        ("drill", "5(4).drill zh abuse", "detection-20260101-a1: zh abuse 0 / 3", "识别演练：中文，谩骂侮辱，0 / 3"),
        ("drill", "5(4).drill en clean", "detection-20260101-a1: en clean 1 / 2", "识别演练：英语，正常语音，1 / 2"),
        ("drill", "I-28.drill", "stop-20260101-a1: 1 / 2", "断流演练：1 / 2"),
        ("person", "5(4).x", "No patrol 1 / 2", "No patrol 1 / 2"),
    ],
)
def test_the_title_of_a_hazard_is_in_words(source: str, about: str, title: str, zh: str) -> None:
    report = samples.report()
    found = msgspec.structs.replace(samples.hazard(about), source=source, title=title)
    assert html.hazard_title(found, report.definitions, report.labels, "zh") == zh


def test_the_cover_names_the_subject() -> None:
    [first, *_] = samples.answers()
    named = msgspec.structs.replace(samples.said(first, "港湾科技有限公司"), field="organisation_name")
    page = html.render(samples.report(answers=(named,)), "zh")
    assert '<dt>评估主体</dt><dd lang="zh"><bdi>港湾科技有限公司</bdi></dd>' in page


def test_a_stop_drill_names_rooms_and_no_labels() -> None:
    page = html.render(samples.report(drills=(samples.stop_drill(),)), "en")
    assert "3 of 4 test rooms were stopped." in page
    assert "clean speech" not in page[page.index("stop drill stop-1") :]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_has_no_hand_written_text_and_no_ids(language: Language) -> None:
    page = html.transparency_page(samples.report(), language)
    assert 'href="#I-12"' in page
    for hidden in (samples.SAID.splitlines()[0], "lena", "H-1", samples.HASH, "2026-1<"):
        assert hidden not in page
