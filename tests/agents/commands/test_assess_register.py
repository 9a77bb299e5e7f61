"""`voxwarden assess register`: add, change, close and list entries."""

import pytest

from pipeline.assessment.register import KINDS
from pipeline.base.errors import InputError
from pipeline.review.database import Database
from tests.agents.commands.conftest import Assess


def test_an_entry_is_added_changed_closed_and_listed(assess_at: Assess, duties: Database) -> None:
    fields = ("--field", "title=broker down", "--field", "severity=high")
    added = assess_at("register", "add", "incident", *fields, "--opened", "2h", "--by", "lin").stdout
    identity = added.split()[0]
    assert "opened 2026-01-02 10:00" in added
    assert "cause=a full disk" in assess_at("register", "change", identity, "--field", "cause=a full disk").stdout
    assert identity in assess_at("register", "list", "--open").stdout
    assert "closed 2026-01-02 11:30" in assess_at("register", "close", identity, "--at", "30m").stdout
    assert assess_at("register", "list", "--open").stdout == ""
    assert identity in assess_at("register", "list", "--kind", "incident").stdout


def test_every_kind_is_listed_with_its_required_fields(assess_at: Assess, duties: Database) -> None:
    listed = assess_at("register", "kinds").stdout
    assert all(f"{kind}: " in listed for kind in KINDS)
    assert "title*, severity*, cause, note" in listed


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("add", "gossip"), "no kind gossip"),
        (("list", "--kind", "gossip"), "no kind gossip"),
        (("add", "incident", "--field", "title"), "--field title"),
        (("add", "incident", "--field", "title=a"), "severity"),
        (("add", "police_report", "--field", "matter=a", "--opened", "soon"), "--opened soon"),
    ],
)
def test_a_mistake_is_named(assess_at: Assess, duties: Database, arguments: tuple[str, ...], told: str) -> None:
    result = assess_at("register", *arguments)
    assert isinstance(result.exception, InputError)
    assert told in str(result.exception)
