"""`voxwarden accounts`, `tokens` and `audit` on the command line."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agents.commands.command_line import app
from pipeline.base.errors import AccountError, InputError
from pipeline.review.accounts import api_tokens
from pipeline.review.accounts.accounts import Account
from pipeline.review.accounts.sign_in import PasswordChecker, Visitor
from pipeline.review.audit_watch import Anchoring
from pipeline.review.database import Database
from pipeline.settings import AuditSettings, Settings

Type = Callable[..., Result]


@pytest.fixture
def typed(tmp_path: Path) -> Type:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["--set", f"data_dir={tmp_path}", *arguments])

    return run


@pytest.fixture
def database(own_store: str) -> Iterator[Database]:
    with closing(Database(own_store)) as opened:
        yield opened


def enter(database: Database, password: str) -> Account | None:
    return PasswordChecker(database, lambda: 1_000.0).sign_in("lin", password, "", Visitor())


def test_a_new_account_gets_a_password_that_is_shown_once(typed: Type, database: Database) -> None:
    made = typed("accounts", "add", "lin", "--role", "lead")
    assert made.exit_code == 0
    password = made.stdout.strip().removeprefix("lin (lead), password: ")
    entered = enter(database, password)
    assert entered is not None
    assert entered.role == "lead"


def test_an_account_gets_a_new_password(typed: Type, database: Database) -> None:
    old = typed("accounts", "add", "lin").stdout.strip().removeprefix("lin (moderator), password: ")
    new = typed("accounts", "password", "lin").stdout.strip().removeprefix("lin, password: ")
    assert enter(database, old) is None
    assert enter(database, new) is not None


def test_the_environment_can_give_the_password(
    typed: Type, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXWARDEN_PASSWORD", "a long enough password")
    assert typed("accounts", "add", "lin").stdout == "lin (moderator)\n"
    assert enter(database, "a long enough password") is not None


def test_a_password_that_is_easy_to_guess_is_refused(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXWARDEN_PASSWORD", "password1234")
    refused = typed("accounts", "add", "lin").exception
    assert isinstance(refused, AccountError)
    assert "easy to guess" in str(refused)


def test_a_missing_account_is_named(typed: Type) -> None:
    assert isinstance(typed("accounts", "password", "nobody").exception, AccountError)


def test_verify_accepts_an_unchanged_log_and_finds_a_forged_one(typed: Type, database: Database) -> None:
    typed("accounts", "add", "lin")
    sound = typed("audit", "verify")
    assert sound.stdout.startswith("1 lines, unchanged. Head ")
    head = sound.stdout.split()[-1]
    assert typed("audit", "verify", "--expect", head).exit_code == 0
    assert isinstance(typed("audit", "verify", "--expect", "0" * 64).exception, InputError)
    with database.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER audit_no_update")
        connection.exec_driver_sql("UPDATE audit SET actor = 'somebody else'")
    broken = typed("audit", "verify").exception
    assert isinstance(broken, InputError)
    assert "line 1 was changed" in str(broken)


def test_verify_compares_the_log_with_signed_anchors(typed: Type, database: Database, tmp_path: Path) -> None:
    typed("accounts", "add", "lin")
    made = typed("audit", "key")
    assert made.exit_code == 0
    assert isinstance(typed("audit", "key").exception, InputError)
    file = tmp_path / "anchors.jsonl"
    settings = Settings(data_dir=tmp_path, audit=AuditSettings(anchor_file=file))
    for name in ("wei", "mia"):
        Anchoring(database, settings, lambda: 1_000.0).anchor()
        typed("accounts", "add", name)
    sound = typed("audit", "verify", "--anchors", str(file))
    assert sound.stdout.startswith("3 lines, unchanged. 2 anchors match. Head ")
    public = str(tmp_path / "audit.key.pub")
    assert typed("audit", "verify", "--anchors", str(file), "--public-key", public).exit_code == 0
    head = json.loads(file.read_text().splitlines()[0])
    file.write_text(json.dumps(head | {"head": head["head"] | {"seq": 2}}))
    wrong = typed("audit", "verify", "--anchors", str(file)).exception
    assert isinstance(wrong, InputError)
    assert "anchor 1: its signature is not by the given key" in str(wrong)


def test_the_first_line_of_an_export_describes_it(typed: Type, database: Database) -> None:
    for name in ("lin", "wei"):
        typed("accounts", "add", name)
    lines = [json.loads(line) for line in typed("audit", "export", "--after", "1").stdout.splitlines()]
    assert lines[0] == {"export": "audit", "after": 1}
    assert [(line["seq"], line["action"], line["subject"]) for line in lines[1:]] == [(2, "account.add", "wei")]


def test_a_token_is_made_with_its_scopes_and_its_end(typed: Type, database: Database) -> None:
    token = typed("tokens", "make", "voice app", "--scope", "reports", "--scope", "cases", "--days", "9").stdout.strip()
    with database.read() as connection:
        (made,) = api_tokens.all_tokens(connection)
    assert (made.id, made.name, sorted(made.scopes)) == (token[:11], "voice app", ["cases", "reports"])
    assert made.expires_at is not None
    assert typed("tokens", "make", "x", "--scope", "everything").exit_code == 2
