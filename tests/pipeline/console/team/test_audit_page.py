"""The page of the audit log: newest line first, filters, and the way to older lines."""

import re
from html import unescape

import pytest

from pipeline.console.pages import ZONE_COOKIE
from pipeline.review import audit_log
from tests.builders import NOON
from tests.pipeline.console.conftest import Console, Enter

LINE = re.compile(r'<tr class="hov"><td class="num faint">(\d+)</td>')
OLDER = re.compile(r'href="(/audit\?[^"]+)"')
EVIL = "<script>alert(1)</script>&x=1"


def write(
    console: Console, count: int, actor: str, subject: str = "case", action: str = "case.view", at: float = NOON
) -> None:
    with console.database.write() as connection:
        for _ in range(count):
            audit_log.append(connection, at, actor, action, subject)


def test_the_newest_lines_come_first_and_older_ones_follow(console: Console, enter: Enter) -> None:
    write(console, 120, EVIL)
    write(console, 3, "ben")
    auditor = enter("aud")
    page = auditor.get("/audit", params={"actor": EVIL}).text
    first = [int(line) for line in LINE.findall(page)]
    assert "<script>alert" not in page
    [older] = {link for link in OLDER.findall(page) if "before=" in link}
    page = auditor.get(unescape(older)).text
    second = [int(line) for line in LINE.findall(page)]
    assert (len(first), len(second), "before=" in page) == (100, 20, False)
    assert first + second == sorted({*first, *second}, reverse=True)


def test_the_filters_narrow_the_log(console: Console, enter: Enter) -> None:
    write(console, 2, "ana", "x")
    write(console, 3, "ben", "x")
    write(console, 4, "ben", "x", "case.play")
    lead = enter("lea")
    counts = {
        query: len(LINE.findall(lead.get(f"/audit?{query}").text))
        for query in (
            "actor=ana",
            "subject=x",
            "actor=ben&subject=x",
            "action=case.play",
            "action=case.view&actor=ben",
            "action=&actor=&subject=x&since=&until=",
            "actor=nobody",
        )
    }
    assert list(counts.values()) == [2, 9, 7, 4, 3, 9, 0]
    page = lead.get("/audit?actor=ana&action=case.view").text
    assert 'name="actor" value="ana"' in page
    assert '<option value="case.view" selected>opened the case</option>' in page
    assert "No line fits" in lead.get("/audit?actor=nobody").text


def test_days_are_those_of_the_reader(console: Console, enter: Enter) -> None:
    for hours in range(-48, 48, 12):  # noon and midnight, UTC
        write(console, 1, "ana", at=NOON + 3_600 * hours)
    aud = enter("aud")

    def found(query: str) -> list[int]:
        return [int(seq) for seq in LINE.findall(aud.get(f"/audit?actor=ana&{query}").text)]

    first = found("")[-1]
    assert found("since=2026-01-01") == [first + n for n in (7, 6, 5, 4, 3)]
    assert found("until=2026-01-01") == [first + n for n in (4, 3, 2, 1, 0)]
    assert found("since=2026-01-01&until=2026-01-01") == [first + 4, first + 3]
    assert found("since=2026-01-03") == [first + 7]
    assert found("since=2027-01-01") == found("until=2025-01-01") == []
    aud.cookies[ZONE_COOKIE] = "Asia/Shanghai"  # 8 hours ahead: midnight UTC is 8 o'clock of the same day there
    assert found("since=2026-01-02&until=2026-01-02") == [first + 6, first + 5]
    aud.cookies[ZONE_COOKIE] = "America/Los_Angeles"  # 8 hours behind: midnight UTC is 16 o'clock of the day before
    assert found("since=2026-01-01&until=2026-01-01") == [first + 5, first + 4]


def test_older_lines_keep_the_filters(console: Console, enter: Enter) -> None:
    write(console, 101, "ana")
    write(console, 1, "ben")
    auditor = enter("aud")
    page = auditor.get("/audit?action=case.view&since=2026-01-01&actor=ana").text
    [older] = [link for link in map(unescape, OLDER.findall(page)) if "before=" in link]
    assert len(LINE.findall(auditor.get(older).text)) == 1


@pytest.mark.parametrize(
    "query",
    [
        "before=-1",
        "before=2147483648",
        "before=x",
        "actor=a%00b",
        "action=case%20view",
        "since=2026-02-30",
        "until=x",
        "since=99999-01-01",
    ],
)
def test_invalid_filters_are_refused(enter: Enter, query: str) -> None:
    assert enter("aud").get(f"/audit?{query}").status_code == 422
