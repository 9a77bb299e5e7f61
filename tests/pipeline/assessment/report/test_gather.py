"""A draft has all that the store knows, but no names of users and no words."""

from pathlib import Path

import pytest

from pipeline.assessment import catalogue
from pipeline.assessment.report import bundle, content, gather, html
from pipeline.assessment.report.assessments import Assessment
from pipeline.assessment.report.content import ITEMS, AssessmentReport
from pipeline.assessment.report.wording import LANGUAGES
from pipeline.base import canonical_json
from pipeline.review.database import Database
from pipeline.settings import Settings
from tests.pipeline.assessment.report import stored


@pytest.fixture
def draft(filled: Database, tmp_path: Path) -> AssessmentReport:
    return stored.drafted(filled, stored.opened(filled), tmp_path)


def test_every_item_is_there(draft: AssessmentReport) -> None:
    assert tuple(item.number for item in draft.items) == ITEMS
    assert not draft.final


def test_every_indicator_of_an_item_without_a_value_is_a_gap(draft: AssessmentReport) -> None:
    measured = {each.indicator for each in (*draft.figures, *draft.drill_figures) if each.value is not None}
    for item in draft.items:
        gaps = {gap.about for gap in item.gaps if gap.kind == "unmeasured"}
        assert gaps == set(item.indicators) - measured


def test_definitions_cover_all_figures(draft: AssessmentReport) -> None:
    assert [each.id for each in draft.definitions] == list(catalogue.INDICATORS)
    assert draft.definitions[0].values.keys() == catalogue.INDICATORS["I-01"].values.keys()


def test_an_item_names_its_attachments_and_rules(frozen: Assessment) -> None:
    told = {
        (item.number, each.kind, each.name): each.sha256 for item in frozen.report().items for each in item.evidence
    }
    assert told["5(1)", "attachment", stored.CHART] == canonical_json.digest(b"%PDF-1.7")
    assert {name for item, kind, name in told if (item, kind) == ("5(4)", "lexicons")} == {"en", "zh"}
    for language in LANGUAGES:
        assert stored.CHART in html.render(frozen.report(), language)


def test_a_hazard_belongs_to_the_items_of_its_indicator(draft: AssessmentReport) -> None:
    assert [item.number for item in draft.items if item.hazards] == list(catalogue.INDICATORS["I-02"].items)


def test_reviewers_are_numbers(draft: AssessmentReport) -> None:
    assert (draft.reviewers.decisions, draft.reviewers.deciders) == (1, 1)
    assert draft.reviewers.accounts == {"moderator": 2, "lead": 1, "admin": 1, "auditor": 1}


def test_versions_come_from_the_tallies(draft: AssessmentReport) -> None:
    assert (draft.versions.policies, draft.versions.models) == (("default@1",), ("baseline",))


def test_no_file_names_a_user_a_room_or_words(draft: AssessmentReport) -> None:
    files = {**bundle.pages(draft, with_pdf=False), **bundle.parts(draft, with_dsa=True)}
    for secret in (stored.SPEAKER, stored.ROOM, stored.WORDS):
        assert [name for name, data in files.items() if secret.encode() in data] == []


def test_a_final_report_is_not_measured_again(frozen: Assessment, database: Database, tmp_path: Path) -> None:
    with database.read() as connection:
        assert (
            content.encode(gather.gather(connection, frozen, Settings(data_dir=tmp_path)))
            == (frozen.content or "").encode()
        )


def test_drill_figures_are_apart(draft: AssessmentReport) -> None:
    assert not [each for each in draft.figures if gather.of_drills(each)]
