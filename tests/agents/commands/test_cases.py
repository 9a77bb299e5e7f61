"""`voxwarden cases`: review without the console."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agents.commands.cases import moment
from agents.commands.command_line import app
from agents.commands.terminal import stdout
from pipeline.base.errors import CaseError, ConfigError, InputError
from pipeline.judge.reader.second_reading import flag_of
from pipeline.review.cases.case_values import Choice, Evidence, Filters
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag, second_reading

Cases = Callable[..., Result]

EVIL = "r[red]\x1b[2J'; DROP TABLE cases; --"


@pytest.fixture
def store(own_store: str) -> Iterator[SqlReviewStore]:
    """Give a store with three cases: a block from an hour ago, a review from a day ago, and one with a harmful room
    name.
    """
    opened = SqlReviewStore(Database(own_store))
    opened.add([flag("old", 0, 5, speaker="bob", text="send me money", flagged=("fraud",))], NOON - 86_400)
    opened.add([flag("new", 10, 15, suggestion="block", risk=0.97, marks=("low_confidence",))], NOON - 3_600)
    opened.add([flag("evil", 20, 25, room=EVIL.replace("\x1b", "\x9b"), text=EVIL)], NOON - 60)
    yield opened
    opened.close()


@pytest.fixture
def cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cases:
    """Return a function that runs the command, at noon."""
    monkeypatch.setattr("time.time", lambda: NOON)
    monkeypatch.setattr(stdout, "width", 400)  # the name of a folder of tests may be long

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["--set", f"data_dir={tmp_path}", "cases", *arguments])

    return run


def id_of(store: SqlReviewStore, label: str, speaker: str = "ann") -> str:
    return next(c.id for c in store.cases(Filters(label=label, speaker=speaker)) if c.room == "room")


def test_the_list_is_a_table_with_the_newest_case_first(store: SqlReviewStore, cases: Cases) -> None:
    shown = cases("list")
    assert shown.exit_code == 0
    header, evil, new, old = shown.stdout.splitlines()
    assert header.split() == ["case", "age", "risk", "label", "status", "room", "speaker", "text"]
    assert "1 m" in evil
    assert new.split()[1:10] == ["1", "h", "■", "block", "0.97", "violence", "pending", "room", "ann"]
    assert old.split()[1:10] == ["1", "d", "◆", "review", "0.50", "fraud", "pending", "room", "bob"]
    assert old.rstrip().endswith("send me money")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["evil", "new", "old"]),
        (("--limit", "2"), ["evil", "new"]),
        (("--status", "decided"), []),
        (("--label", "fraud"), ["old"]),
        (("--suggestion", "block"), ["new"]),
        (("--room", "room"), ["new", "old"]),
        (("--speaker", "bob"), ["old"]),
        (("--since", "2h"), ["evil", "new"]),
        (("--since", "2026-01-01T11:30"), ["evil"]),
        (("--since", "30d", "--status", "pending", "--speaker", "ann", "--room", "room"), ["new"]),
    ],
)
def test_filters_and_json_lines_select_cases(
    store: SqlReviewStore, cases: Cases, options: tuple[str, ...], expected: list[str]
) -> None:
    names = {flag_.id: case.id for case in store.cases(Filters()) for flag_ in store.case(case.id).flags}
    shown = cases("list", *options, "--format", "jsonl")
    assert shown.exit_code == 0
    assert [json.loads(line)["id"] for line in shown.stdout.splitlines()] == [names[name] for name in expected]


def test_a_list_longer_than_a_page_is_complete(
    store: SqlReviewStore, cases: Cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.commands.cases.PAGE", 2)
    assert len(cases("list", "--format", "jsonl").stdout.splitlines()) == 3


def test_an_empty_list_is_reported(store: SqlReviewStore, cases: Cases) -> None:
    assert cases("list", "--room", "nowhere").stdout == "No cases.\n"
    assert cases("list", "--room", "nowhere", "--format", "json").stdout == "[]\n"


def test_a_case_is_shown_with_reasons_and_clip(store: SqlReviewStore, cases: Cases, tmp_path: Path) -> None:
    case = id_of(store, "violence")
    path = f"2026/01/01/{case}.ogg"
    store.attach(Evidence(path=path, case=case, start=NOON + 5, end=NOON + 15, seconds=9.5, bytes=1_000, sha256="00"))
    store.decide(case, "amy", Choice(verdict="escalate", label="hate", note="ask [legal]"), NOON - 30)
    shown = cases("show", case[:8]).stdout
    for expected in (
        f"Case {case}  ■ block  violence  escalated",
        "2026-01-01 12:00:10Z – 2026-01-01 12:00:15Z, stored 1 h ago",
        "弄死你 new",
        "lexicon: 弄死你",
        "violence 0.50, abuse 0.10",
        "low_confidence",
        "policy default@1, model baseline",
        "2026-01-01 11:59:30Z  escalate by amy as hate: ask [legal]",
        str(tmp_path / "evidence" / path),
    ):
        assert expected in shown


def test_a_decided_case_shows_later_flags(store: SqlReviewStore, cases: Cases) -> None:
    case = id_of(store, "violence")
    store.decide(case, "amy", Choice(verdict="dismiss"), NOON - 30)
    store.add([flag("again", 10.1, 15.1, text="heard once more")], NOON - 20)
    before, after = cases("show", case).stdout.split("Flagged again after the decision:")
    assert "heard once more" not in before
    assert "heard once more" in after


def test_a_case_shows_words_once_that_judge_and_second_reader_flag(store: SqlReviewStore, cases: Cases) -> None:
    store.add([flag_of(second_reading("new", 10, 15))], NOON - 20)
    shown = cases("show", id_of(store, "violence")).stdout
    assert shown.count("弄死你 new") == 1
    assert "found by the second reader" in shown


def test_a_case_without_a_clip_shows_the_reason(store: SqlReviewStore, cases: Cases) -> None:
    assert "none: the audio was no longer in the log" in cases("show", id_of(store, "violence")).stdout


def test_a_case_can_be_printed_as_json(store: SqlReviewStore, cases: Cases) -> None:
    found = json.loads(cases("show", id_of(store, "violence"), "--format", "json").stdout)
    assert set(found) == {"case", "flags", "linked", "evidence", "decisions", "clips"}
    assert found["flags"][0]["hits"][0]["term"] == "弄死你"


def test_a_decision_is_stored(store: SqlReviewStore, cases: Cases) -> None:
    case = id_of(store, "fraud", "bob")
    decided = cases("decide", case[:8], "dismiss", "--moderator", "amy", "--label", "abuse", "--note", "a quote")
    assert decided.stdout == "2026-01-01 12:00:00Z  dismiss by amy as abuse: a quote\n"
    [decision] = store.case(case).decisions
    assert (decision.verdict, decision.moderator, decision.at) == ("dismiss", "amy", NOON)
    again = cases("decide", case, "uphold", "--moderator", "bob")
    assert isinstance(again.exception, CaseError)


def test_a_decision_has_an_action_and_can_be_undone(store: SqlReviewStore, cases: Cases) -> None:
    case = id_of(store, "fraud", "bob")
    decided = cases("decide", case[:8], "uphold", "--moderator", "amy", "--action", "mute", "--duration", "2h")
    assert decided.stdout == "2026-01-01 12:00:00Z  uphold by amy, mute for 7200 s\n"
    [decision] = store.case(case).decisions
    assert (decision.action, decision.duration_seconds) == ("mute", 7_200)
    assert isinstance(cases("undo", case, "--moderator", "bob").exception, CaseError)
    assert cases("undo", case, "--moderator", "amy").stdout == "The decision is undone.\n"
    assert store.case(case).case.status == "pending"
    assert isinstance(cases("undo", case, "--moderator", "amy").exception, CaseError)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("decide", "nil", "uphold", "--moderator", "amy", "--action", "mute", "--duration", "long"), InputError),
        (("show", "nil"), CaseError),
        (("show", ""), CaseError),
        (("decide", "nil", "uphold", "--moderator", "amy"), CaseError),
        (("decide", "nil", "uphold", "--moderator", "amy", "--label", "rudeness"), ConfigError),
        (("list", "--since", "yesterday"), InputError),
    ],
)
def test_mistakes_are_named(
    store: SqlReviewStore, cases: Cases, arguments: tuple[str, ...], error: type[Exception]
) -> None:
    assert isinstance(cases(*arguments).exception, error)


@pytest.mark.parametrize("arguments", [("decide", "nil", "praise", "--moderator", "amy"), ("list", "--status", "lost")])
def test_unknown_values_are_wrong_usage(cases: Cases, arguments: tuple[str, ...]) -> None:
    assert cases(*arguments).exit_code == 2


def test_a_missing_store_is_not_created(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "agents", "--set", f"data_dir={tmp_path / 'none'}", "cases", "list"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert shown.returncode == 2
    assert shown.stderr.startswith(f"error: There is no review store at {tmp_path / 'none'}")
    assert len(shown.stderr.splitlines()) == 1
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOON - 90),
        ("1.5h", NOON - 5_400),
        ("2w", NOON - 14 * 86_400),
        ("2026-01-01", NOON - 43_200),
        ("2026-01-01T12:00:00+08:00", NOON - 28_800),
    ],
)
def test_times_are_parsed(text: str, expected: float) -> None:
    assert moment(text, NOON) == expected
