"""The policy studio in a browser: type, see the mistake at its line, try a sentence, backtest, ask, approve."""

import os
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipeline.console.policy import draft_trials
from pipeline.judge.labels import load_labels
from pipeline.judge.policy_release import JudgeReport
from pipeline.review.cases import deciding
from pipeline.review.cases.case_values import Choice
from pipeline.review.policies import drafts, judge_rules, versions
from pipeline.settings import Settings
from tests.browser.conftest import Sit, Stack
from tests.browser.policies import limit, with_limit
from tests.browser.test_look import Theme, in_both_themes, violations
from tests.pipeline.judge.fakes import WordClassifier

LOOK = {"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce"}
LABELS = load_labels()
TERM = "groups:\n  - {label: abuse, level: high, terms: [worthless piece, he]}"


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge with a classifier that knows a few words. Loading the shipped one takes longer than the whole test."""
    known = {"弄死": {"violence": 0.98}, "刷单": {"fraud": 0.72}, "worthless": {"abuse": 0.8}, "live": {"abuse": 0.4}}
    monkeypatch.setattr(draft_trials, "load_classifier", lambda _, threads: WordClassifier(known))


def prepare(stack: Stack) -> None:
    """Store decided cases, two versions, and the reports of three judges."""
    cases = stack.say(24)
    now = time.time()
    for number, case in enumerate(cases[:18]):
        choice = Choice(verdict=("uphold", "uphold", "dismiss")[number % 3], reason="confirmed")
        with stack.database.write() as connection:
            deciding.decide(connection, case, "ben", choice, stack.now())
    with stack.database.write() as connection:
        texts = versions.texts_now(connection, Settings())
        versions.publish(connection, texts, LABELS, "The files", ["lea"], "ada", now - 90_000)
        wider = with_limit(texts.policy, "fraud", 0.3)
        changed = type(texts)(wider, texts.lexicons)
        versions.publish(connection, changed, LABELS, "诈骗：0.3 起复核", ["lea", "mia"], "ada", now - 4_000)
        for worker in ("judge-0-7", "judge-1-7", "judge-2-7"):
            judge_rules.store_judge_report(connection, JudgeReport(worker, 2, "default@2", now - 3_986, now))


def press(page: Page, form: str, path: str) -> None:
    """Press the button of the form that posts to a path with this end, and wait for the page that follows."""
    page.locator(f'form[action$="{form}"] button').last.click()
    page.wait_for_url(f"**{path}*")


def write(page: Page, url: str, theme: Theme, picture: Path) -> None:
    """Make a mistake in the policy, correct it, and add terms to a lexicon."""
    text = page.locator("#text")
    good = text.input_value()
    text.fill(good.replace("  abuse: {review:", "  abuse: {revue:"))
    wrong = good[: good.index("  abuse:")].count("\n") + 1
    expect(page.locator("#remarks .bad button").first).to_contain_text(str(wrong))
    expect(page.locator(".gutter b")).to_have_text(str(wrong))
    assert in_both_themes(page, theme) == []
    page.screenshot(path=picture)
    page.locator("#remarks .bad button").first.click()
    chosen = page.evaluate("(({value, selectionStart: a, selectionEnd: b}) => value.slice(a, b))(text)")
    assert chosen.strip().startswith("abuse: {revue")
    expect(page.locator("#remarks .replace input")).to_have_value("review")
    page.locator("#remarks .replace input").press("Enter")
    expect(page.locator("#remarks .ok")).to_be_visible()
    expect(text).to_have_value(good)
    text.fill(with_limit(good, "abuse", 0.75))
    with page.expect_navigation(url="**/drafts/1?view=policy"):
        page.locator("#editor .btn.primary").click()
    page.goto(f"{url}?view=en")
    text.fill(text.input_value().replace("groups:", TERM, 1))
    expect(page.locator("#remarks .warn")).to_have_count(1)
    with page.expect_navigation(url="**/drafts/1?view=en"):
        page.locator("#editor .btn.primary").click()
    try_sentence(page)
    page.evaluate("scrollTo(0, 0)")  # or the top bar lies over the tabs
    assert in_both_themes(page, theme) == []


def try_sentence(page: Page) -> None:
    page.locator("#sentence").fill("you are a worthless piece of dirt")
    expect(page.locator("#tried .tried")).to_have_count(2)
    expect(page.locator("#tried mark")).to_have_text("worthless piece")


def backtest(page: Page, url: str, theme: Theme, picture: Path) -> None:
    page.goto(f"{url}?view=diff")
    page.locator('form[action$="/backtest"] button').click()
    expect(page.locator("#backtest .fig")).to_have_count(3)
    assert in_both_themes(page, theme) == []
    page.locator("#backtest .mini").first.click()
    expect(page.locator('#backtest .mini[aria-pressed="true"]')).to_have_count(1)
    try_sentence(page)
    page.screenshot(path=picture, full_page=True)


@pytest.mark.parametrize(("theme", "locale"), [("light", "en"), ("dark", "zh-CN")])
def test_a_lead_writes_and_another_approves(stack: Stack, sit: Sit, tmp_path: Path, theme: Theme, locale: str) -> None:
    """The documentation has its pictures."""
    folder = Path(os.environ.get("VOXWARDEN_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    prepare(stack)
    url = f"{stack.url}/policies/drafts/1"
    page = sit("lea", path="/policies", theme=theme, locale=locale, **LOOK)
    expect(page.locator("#judges .chip")).to_contain_text("3/3")
    page.locator("main input[name=title]").fill("Insults in English")
    page.locator("main .page-head button").click()
    page.wait_for_url("**/policies/drafts/1")
    expect(page.locator(".gutter > *").first).to_have_text("1")
    before = limit(page.locator("#text").input_value(), "abuse")
    write(page, url, theme, folder / f"console-policy-mistake-{theme}.png")
    backtest(page, url, theme, folder / f"console-policy-{theme}.png")
    press(page, "/ask", "/drafts/1")
    expect(page.locator('form[action$="/approve"] button')).to_be_disabled()

    other = sit("ada", path="/policies/drafts/1", theme=theme, locale=locale, **LOOK)
    expect(other.locator(".code .add ins").first).to_be_visible()
    other.locator('main .seg a[href$="split=true"]').click()
    expect(other.locator(".split tbody tr td.del del")).to_have_text(before)
    expect(other.locator(".split tbody tr td.add ins").first).to_have_text("0.75")
    other.screenshot(path=folder / f"console-policy-split-{theme}.png")
    assert in_both_themes(other, theme) == []
    press(other, "/approve", "/policies")
    other.screenshot(path=folder / f"console-policies-{theme}.png", full_page=True)
    other.goto(f"{stack.url}/policies/versions/1")
    other.locator('form[action$="/rollback"] input[name=title]').fill("Too many")
    press(other, "/rollback", "/policies")
    with stack.database.read() as connection:
        live = versions.live_version(connection)
    assert live is not None
    assert (live.number, live.back_to) == (4, 1)


@pytest.mark.scenario
@pytest.mark.parametrize(("width", "height"), [(390, 844), (720, 450)])
def test_the_studio_fits_a_small_screen(stack: Stack, sit: Sit, width: int, height: int) -> None:
    prepare(stack)
    page = sit("lea", path="/policies", viewport={"width": width, "height": height})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("main input[name=title]").fill("Narrow")
    page.locator("main .page-head button").click()
    page.wait_for_url("**/policies/drafts/1")
    for view in ("policy", "en", "diff"):
        page.goto(f"{stack.url}/policies/drafts/1?view={view}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view


def test_a_text_that_somebody_else_has_changed_is_refused_and_stays(stack: Stack, sit: Sit) -> None:
    page = sit("lea", path="/policies")
    page.locator("main input[name=title]").fill("Insults in English")
    page.get_by_role("button", name="New draft").click()
    other = sit("ada", path="/policies/drafts/1?view=policy")
    text = page.locator("#text")
    mine = with_limit(text.input_value(), "abuse", 0.71)
    text.fill(mine)
    other.locator("#text").fill(with_limit(other.locator("#text").input_value(), "abuse", 0.72))
    with other.expect_navigation():
        other.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#conflict [role=alert]")).to_contain_text("ada has changed this draft meanwhile.")
    expect(text).to_have_value(mine)
    assert violations(page) == []
    with stack.database.read() as connection:
        assert limit(drafts.find_draft(connection, 1).texts.policy, "abuse") == "0.72"


def test_a_draft_runs_as_a_shadow_and_is_dropped(stack: Stack, sit: Sit) -> None:
    page = sit("lea", path="/policies")
    page.locator("main input[name=title]").fill("Insults in English")
    page.get_by_role("button", name="New draft").click()
    page.get_by_role("button", name="Run as shadow").click()
    page.wait_for_url("**/policies")
    with stack.database.read() as connection:
        [shadow] = versions.shadows(connection)
    expect(page.locator("li", has_text=shadow.mark)).to_contain_text("No judge has reported counts yet")
    assert violations(page) == []
    page.get_by_role("button", name="End", exact=True).click()
    expect(page.get_by_text("No shadow policy runs.")).to_be_visible()
    page.get_by_role("link", name="Draft 1").click()
    page.get_by_role("button", name="Drop draft").click()
    expect(page.get_by_text("No open drafts.")).to_be_visible()
    with stack.database.read() as connection:
        assert versions.shadows(connection) == []
        assert drafts.find_draft(connection, 1).state == "dropped"
        assert versions.live_version(connection) is None
