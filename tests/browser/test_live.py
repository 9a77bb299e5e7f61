"""What open pages show without a reload: who has a case, who reads it, deadlines, and counts."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import update

from pipeline.console.console_app import create_app
from pipeline.console.services import open_services
from pipeline.review.cases import assigning, deciding
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.tables.core import CASES
from pipeline.settings import Settings
from tests.browser.conftest import Sit, Stack
from tests.browser.test_look import violations
from tests.builders import flag
from tests.pipeline.console.servers import served

SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) window.shifts.push(...one.sources.map((source) => source.node?.outerHTML ?? ""));
}).observe({ type: "layout-shift", buffered: true });
"""
"""Records what moves without an action of the person."""
EVERY_MS = 20_000
"""A page without live updates asks so often for its counts."""


def row(page: Page, case: str) -> str:
    return f'#rows .row[data-case="{case}"]'


def give(stack: Stack, cases: list[str], to: str) -> str:
    with stack.database.write() as connection:
        return assigning.move(connection, cases, to, "lea", "workload", time.time(), 3_600.0).id


def due(stack: Stack, case: str, seconds: float) -> None:
    with stack.database.write() as connection:
        connection.execute(update(CASES).where(CASES.c.id == case).values(due_at=time.time() + seconds))


def test_open_lists_show_the_new_owner_at_once(stack: Stack, sit: Sit) -> None:
    first, second, third = stack.say(3)
    give(stack, [third], "ben")
    ana, ben = sit("ana"), sit("ben", locale="zh-CN")
    for page in (ana, ben):
        expect(page.locator(f"{row(page, third)} .chip bdi")).to_have_text("ben")
        expect(page.locator(f"{row(page, second)} .holder .chip")).to_have_count(0)
    move = give(stack, [second], "ben")
    for page in (ana, ben):
        expect(page.locator(f"{row(page, second)} .holder .chip bdi")).to_have_text("ben")
    expect(ana.locator(f"{row(ana, second)} .holder")).to_have_text("Assigned to ben")
    assert violations(ana) == []
    with stack.database.write() as connection:
        assigning.undo(connection, move, "lea", time.time())
    expect(ana.locator(f"{row(ana, second)} .holder .chip")).to_have_count(0)
    ben.click(row(ben, first))
    ben.wait_for_selector("#decide")
    expect(ana.locator(f"{row(ana, first)} .holder .avatar")).to_have_text("B")
    give(stack, [first], "lea")
    expect(ana.locator(f"{row(ana, first)} .holder")).to_have_text("Bben")
    ben.keyboard.press("s")
    expect(ana.locator(f"{row(ana, first)} .holder")).to_have_text("Assigned to lea")


@pytest.mark.parametrize(
    ("locale", "left", "soon", "late"),
    [("en", "due in 11 h", " m", "late by 2 h"), ("zh-CN", "剩余 11 小时", " 分", "超时 2 小时")],
)
def test_deadlines_tick_without_a_reload(stack: Stack, sit: Sit, locale: str, left: str, soon: str, late: str) -> None:
    first, second, third = stack.say(3)
    for case in (first, second):
        due(stack, case, 11.9 * 3_600)
    due(stack, third, 86_400 * 2.5)
    page = sit("ana", locale=locale)
    page.clock.install()
    page.add_init_script(SHIFTS)
    page.reload()
    page.click(row(page, first))
    page.wait_for_selector("#decide")
    with stack.database.write() as connection:
        made = deciding.decide(connection, second, "ben", Choice(verdict="dismiss"), time.time())
    shown, decided = page.locator(f"{row(page, first)} .due"), page.locator(f"{row(page, second)} .due")
    expect(decided.locator(".ver")).to_be_visible()
    expect(page.locator("#pane .case-head .due")).to_have_text(left)
    expect(shown).to_have_text(left)
    page.evaluate("shifts.length = 0")
    page.clock.fast_forward("11:45:00")
    for one in (shown, page.locator("#pane .case-head .due")):
        expect(one).to_have_class("due soon")
        expect(one).to_contain_text(soon)
    page.clock.fast_forward("03:00:00")
    for one in (shown, page.locator("#pane .case-head .due")):
        expect(one).to_have_class("due late")
        expect(one).to_have_text(late)
    expect(decided.locator(".ver")).to_be_visible()
    assert page.evaluate("shifts") == []
    with stack.database.write() as connection:
        deciding.undo(connection, made.id, "ben", time.time(), 3_600.0)
    expect(decided).to_have_text(late)


@pytest.fixture
def second_console(stack: Stack, tmp_path: Path) -> Iterator[str]:
    """Another console process on the store of `stack`: it shares nothing else."""
    settings = Settings(data_dir=tmp_path)
    with (
        closing(Database(settings.database_url)) as database,
        served(create_app(open_services(settings, database))) as url,
    ):
        yield url


def test_the_head_of_a_case_shows_who_else_reads_it(stack: Stack, sit: Sit, second_console: str) -> None:
    [case] = stack.say(1)
    ana, ben, lea = sit("ana"), sit("ben", locale="zh-CN"), sit("lea")
    ben.goto(second_console + "/queue")
    ana.click(row(ana, case))
    ana.wait_for_selector("#decide")
    expect(ana.locator("#viewers")).to_be_hidden()
    ben.goto(f"{second_console}/cases/{case}")
    expect(ana.locator("#viewers")).to_contain_text("ben")
    expect(ana.locator("#viewers")).to_contain_text("is viewing")
    assert violations(ana) == []
    expect(ben.locator("#viewers")).to_be_hidden()  # the holder of the lease stands below the case
    lea.goto(f"{stack.url}/cases/{case}")
    expect(ana.locator("#viewers")).to_contain_text("and 1 more are viewing")
    expect(ben.locator("#viewers")).to_contain_text("正在查看")
    expect(ben.locator("#viewers")).to_contain_text("lea")
    lea.goto(f"{stack.url}/queue")
    expect(ben.locator("#viewers")).to_be_hidden()
    ben.close()
    expect(ana.locator("#viewers")).to_be_hidden()


def test_the_counts_of_the_top_bar_stay_right(stack: Stack, sit: Sit) -> None:
    first, _ = stack.say(2)
    ana, aud = sit("ana"), sit("aud", path="/search")
    aud.clock.install()
    aud.reload()
    queue, open_appeals = ana.locator('[data-count="queue"]'), ana.locator('[data-count="appeals"]')
    expect(queue).to_have_text("2")
    expect(open_appeals).to_have_text("0")
    expect(aud.locator('[data-count="queue"]')).to_have_text("2")
    with stack.database.write() as connection:
        deciding.decide(connection, first, "ben", Choice(verdict="dismiss"), time.time())
    expect(queue).to_have_text("1")
    stack.say(1)
    expect(queue).to_have_text("2")
    stack.store.add([flag(f"many {n}", speaker=f"s{n}") for n in range(99)], time.time())
    expect(queue).to_have_text("99+")
    aud.clock.fast_forward(EVERY_MS)
    expect(aud.locator('[data-count="queue"]')).to_have_text("99+")
