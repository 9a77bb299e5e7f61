"""The bucket policy of docs/evidence.md gives each role what it needs, and nothing more."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.review.evidence.aws import Forbidden, S3Evidence
from pipeline.review.evidence.evidence_maintenance import RIGHTS, probe
from pipeline.settings import EvidenceSettings
from tests.broker import ROOT
from tests.s3 import S3Server

PAGE = (ROOT / "docs" / "evidence.md").read_text("utf-8")
ROLES = ("deliver", "console", "retention")
PATH = "2026/01/01/a.ogg"
Account = Callable[[str], S3Evidence]


def policy(bucket: str) -> dict[str, Any]:
    """Return the policy of the page for this bucket and the accounts ROLES."""
    [block] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    for role in ROLES:
        block = block.replace(role.upper(), role)
    found: dict[str, Any] = json.loads(block.replace("BUCKET", bucket))
    return found


@pytest.fixture(scope="module")
def accounts(s3_server: S3Server) -> S3Server:
    """Return the server with an account for each role."""
    for role in ROLES:
        s3_server.add_user(role, f"the-secret-of-{role}")
    return s3_server


@pytest.fixture
def account(accounts: S3Server, bucket: str) -> Account:
    """Return a function that gives the store as a role sees it."""
    accounts.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy(bucket)))

    def seen(role: str) -> S3Evidence:
        settings = accounts.settings(bucket, role, f"the-secret-of-{role}", object_lock=True)
        return S3Evidence(EvidenceSettings(store="s3", s3=settings))

    return seen


def test_the_check_shows_the_table_of_the_page(account: Account) -> None:
    header = "| step | deliver | console | retention |"
    rows = PAGE[PAGE.index(header) :].split("\n\n")[0].splitlines()[2:]
    stated = {cells[0]: cells[1:] for row in rows if (cells := [cell.strip() for cell in row.strip("|").split("|")])}
    for place, role in enumerate(ROLES):
        assert {step for step, cells in stated.items() if cells[place] == "ok"} == RIGHTS[role]
        shown = {step.name: step.done for step in probe(account(role))}
        expected = {step: cells[place] == "ok" for step, cells in stated.items()}
        assert shown == expected, role


def test_deliver_writes_locks_and_replaces_but_deletes_nothing(account: Account) -> None:
    deliver, console = account("deliver"), account("console")
    deliver.write(PATH, b"short")
    deliver.write(PATH, b"longer")
    deliver.hold(PATH, True)
    assert console.get(PATH) == b"longer"
    with pytest.raises(Forbidden):
        deliver.get(PATH)
    with pytest.raises(Forbidden):
        deliver.remove(PATH)
    deliver.discard(PATH)
    assert console.get(PATH) == b"longer"


def test_the_console_reads_and_holds_but_deletes_nothing(account: Account) -> None:
    account("deliver").write(PATH, b"a clip")
    console = account("console")
    assert console.get("2026/01/01/none.ogg") is None
    console.hold(PATH, True)
    with pytest.raises(Forbidden):
        account("retention").remove(PATH)
    console.hold(PATH, False)
    with pytest.raises(Forbidden):
        console.remove(PATH)


def test_retention_deletes_but_hears_nothing(account: Account) -> None:
    account("deliver").write(PATH, b"a clip")
    retention = account("retention")
    with pytest.raises(Forbidden):
        retention.get(PATH)
    with pytest.raises(Forbidden):
        retention.write(PATH, b"another")
    assert list(retention.paths(4e9)) == [PATH]
    retention.remove(PATH)
    assert account("console").get(PATH) is None
