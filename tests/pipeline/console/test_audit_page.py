"""The page of the audit log: newest line first, filters, and the way to older lines."""

import re
from html import unescape

import pytest

from pipeline.review import audit
from tests.builders import NOON
from tests.pipeline.console.conftest import Console, Enter

LINE = re.compile(r'<tr class="hov"><td class="num faint">(\d+)</td>')
OLDER = re.compile(r'href="(/audit\?[^"]+)"')
EVIL = "<script>alert(1)</script>&x=1"


def write(console: Console, count: int, actor: str, subject: str = "case") -> None:
    with console.database.write() as connection:
        for _ in range(count):
            audit.append(connection, NOON, actor, "case.view", subject)


def test_the_newest_lines_come_first_and_older_ones_follow(console: Console, enter: Enter) -> None:
    write(console, 120, EVIL)
    write(console, 3, "ben")
    auditor = enter("aud")
    page = auditor.get("/audit", params={"actor": EVIL}).text
    first = [int(line) for line in LINE.findall(page)]
    assert "<script>alert" not in page
    [older] = OLDER.findall(page)
    page = auditor.get(unescape(older)).text
    second = [int(line) for line in LINE.findall(page)]
    assert (len(first), len(second), OLDER.findall(page)) == (100, 20, [])
    assert first + second == sorted({*first, *second}, reverse=True)


def test_the_filters_narrow_the_log(console: Console, enter: Enter) -> None:
    write(console, 2, "ana", "x")
    write(console, 3, "ben", "x")
    lead = enter("lea")
    counts = {
        query: len(LINE.findall(lead.get(f"/audit?{query}").text))
        for query in ("actor=ana", "subject=x", "actor=ben&subject=x", "actor=nobody")
    }
    assert counts == {"actor=ana": 2, "subject=x": 5, "actor=ben&subject=x": 3, "actor=nobody": 0}
    assert 'name="actor" value="ana"' in lead.get("/audit?actor=ana").text


@pytest.mark.parametrize("query", ["before=-1", "before=2147483648", "before=x", "actor=a%00b"])
def test_invalid_filters_are_refused(enter: Enter, query: str) -> None:
    assert enter("aud").get(f"/audit?{query}").status_code == 422
