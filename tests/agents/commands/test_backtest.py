"""The result of a backtest as tables and lines. Speech is shown only if it is asked for."""

import io
import json
from typing import Any

import pytest
from rich.console import Console, RenderableType

from agents.commands.backtest import MARKS, SHOWN, difference_line, examples, total_line, totals
from pipeline.contract.messages import Flag
from pipeline.judge.judge_stage import read_config
from pipeline.judge.policy_comparison import Backtest, BacktestTally, Comparison
from pipeline.judge.rule_texts import RuleSet
from pipeline.settings import JudgeSettings
from tests.builders import NOON, flag
from tests.pipeline.judge.fakes import WordClassifier

SPOKEN = "a secret sentence"


def judged(name: str, *, before: bool, after: bool) -> Comparison:
    def made(flagged: bool) -> Flag:
        changes: dict[str, Any] = {} if flagged else {"suggestion": "pass", "flagged": ()}
        return flag(name, 0, 5, text=f"{SPOKEN} {name}", room_type="[b]kids", **changes)

    return Comparison(made(before), made(after))


FOUND = [judged("a", before=False, after=True), judged("b", before=True, after=False)] + [
    judged(name, before=True, after=True) for name in ("c", "d", "e")
]


@pytest.fixture(scope="module")
def test() -> Backtest:
    config = read_config(JudgeSettings(policy="default", shadow_policies=("strict",)))
    before = RuleSet(config.policy, config.matcher)
    made = Backtest(WordClassifier({}), config.labels, before, config.shadows[0])
    made.skipped, made.repeated = 4, 2
    return made


@pytest.fixture
def tally() -> BacktestTally:
    made = BacktestTally()
    for each in FOUND:
        made.add(each)
    return made


def printed(shown: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_counts_each_kind_in_total_and_for_each_label(test: Backtest, tally: BacktestTally) -> None:
    shown = printed(totals(test, tally))
    assert shown.startswith("default@")
    counts = {line.split("│")[1].strip(): line.split("│")[2:-1] for line in shown.splitlines() if line.startswith("│")}
    assert [cell.strip() for cell in counts["any (5 transcripts)"]] == ["1", "1", "0", "3"]
    assert [cell.strip() for cell in counts["violence"]] == ["1", "1", "0", "3"]


@pytest.mark.parametrize("words", [True, False])
def test_speech_is_shown_only_on_request(words: bool) -> None:
    shown = printed(examples(FOUND, words))
    assert (f"{SPOKEN} a" in shown) == words
    assert shown.count("[b]kids") == len(FOUND)
    assert MARKS["new"] in shown
    assert "● pass" in shown
    assert "◆ review violence" in shown


def test_speech_of_a_recording_is_shown_with_its_file_and_its_second() -> None:
    said = flag("a", -NOON + 61.5, -NOON + 63, room="talk.wav")
    shown = printed(examples([Comparison(said, said)], words=False))
    assert "talk.wav" in shown
    assert "1:01.5" in shown
    assert "1970" not in shown


def test_a_line_has_both_verdicts_and_no_speech() -> None:
    line = difference_line(FOUND[0])
    assert SPOKEN not in json.dumps(line)
    assert (line["kind"], line["transcript"]) == ("new", "transcript-a")
    assert line["before"] == {"suggestion": "pass", "flagged": [], "risk": 0.5}
    assert line["after"] == {"suggestion": "review", "flagged": ["violence"], "risk": 0.5}


def test_the_last_line_counts_what_was_compared_and_what_was_left_out(test: Backtest, tally: BacktestTally) -> None:
    line = json.loads(json.dumps(total_line(test, tally, unreadable=3)))
    assert line["before"].startswith("default@")
    assert line["after"].startswith("strict@")
    assert [line[kind] for kind in SHOWN] == [1, 1, 0, 3]
    assert sum(line[kind] for kind in SHOWN) == line["transcripts"] == len(FOUND)
    assert line["labels"] == {"violence": {"new": 1, "gone": 1, "changed": 0, "same": 3}}
    assert (line["skipped"], line["repeated"], line["unreadable"]) == (4, 2, 3)
