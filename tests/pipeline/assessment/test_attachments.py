"""Files that people attach to a draft."""

import hashlib

import pytest
from sqlalchemy import select

from pipeline.assessment import attachments
from pipeline.assessment.attachments import JPEG, PNG
from pipeline.base.errors import CaseError, InputError, Missing
from pipeline.review.database import Database
from pipeline.review.tables.core import AUDIT
from tests.pipeline.assessment.report import stored
from tests.pipeline.assessment.report.stored import NOW

PDF = b"%PDF-1.7 chart"


def attach(database: Database, name: str = "chart.pdf", content: bytes = PDF, item: str = "5(1)", at: float = 0) -> str:
    with database.write() as connection:
        return attachments.attach(connection, "2026-1", item, name, content, "lea", NOW + at).name


def names(database: Database) -> list[tuple[str, str]]:
    with database.read() as connection:
        return [(each.item, each.name) for each in attachments.listed(connection, "2026-1")]


def test_files_are_listed_by_item_and_time(database: Database) -> None:
    stored.opened(database)
    attach(database, "b.png", PNG + b"2", "5(6)")
    attach(database, "a.JPG", JPEG + b"1", "5(6)", at=60)
    attach(database, "架构图.pdf")
    assert names(database) == [("5(1)", "架构图.pdf"), ("5(6)", "b.png"), ("5(6)", "a.JPG")]
    with database.read() as connection:
        assert attachments.digests(connection, "2026-1")["架构图.pdf"] == hashlib.sha256(PDF).hexdigest()
        assert attachments.files(connection, "2026-1")["b.png"] == PNG + b"2"


def test_a_detached_file_is_gone_and_its_name_is_free(database: Database) -> None:
    stored.opened(database)
    attach(database)
    with database.write() as connection:
        attachments.detach(connection, "2026-1", "chart.pdf", "lea", NOW)
        with pytest.raises(Missing, match="no file"):
            attachments.detach(connection, "2026-1", "chart.pdf", "lea", NOW)
        logged = connection.scalars(select(AUDIT.c.action).order_by(AUDIT.c.seq.desc()).limit(2)).all()
    assert logged == ["assessment.detach", "assessment.attach"]
    assert names(database) == []
    attach(database)


@pytest.mark.parametrize(
    ("name", "content", "item", "why"),
    [
        ("chart.pdf", PNG, "5(1)", "no PDF"),
        ("page.html", b"<html>", "5(1)", "no PDF"),
        ("chart", PDF, "5(1)", "no PDF"),
        ("chart.pdf", b"", "5(1)", "no PDF"),
        ("../chart.pdf", PDF, "5(1)", "forbid"),
        (".pdf", PDF, "5(1)", "forbid"),
        ("a\nb.pdf", PDF, "5(1)", "forbid"),
        ("a" * 80 + ".pdf", PDF, "5(1)", "too long"),
        ("chart.pdf", PDF, "5(9)", "no item"),
        ("chart.pdf", PDF + bytes(attachments.MAX_BYTES), "5(1)", "10 MiB"),
    ],
)
def test_other_files_are_refused(database: Database, name: str, content: bytes, item: str, why: str) -> None:
    stored.opened(database)
    with pytest.raises(InputError, match=why):
        attach(database, name, content, item)
    assert names(database) == []


def test_a_name_is_used_once_on_every_system(database: Database) -> None:
    stored.opened(database)
    assert attach(database, "Re\u0301sume\u0301.pdf") == "R\u00e9sum\u00e9.pdf"
    with pytest.raises(CaseError, match="already has"):
        attach(database, "r\u00e9sum\u00c9.PDF")


def test_all_files_together_have_a_limit(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "MAX_TOTAL", 2 * len(PDF))
    stored.opened(database)
    for name in ("a.pdf", "b.pdf"):
        attach(database, name)
    with pytest.raises(InputError, match="attachments would have more"):
        attach(database, "c.pdf")


def test_a_draft_is_needed(database: Database) -> None:
    with pytest.raises(Missing):
        attach(database)
