"""All lines of `voxwarden assess` exist in Chinese, and the environment or --lang selects the language."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from types import ModuleType
from typing import get_args

import pytest

from agents.commands import assess, assess_answer, assess_drill, assess_hazard, assess_register, assess_trigger
from agents.commands.assess_words import chinese, of_environment
from pipeline.assessment import drills, hazards, register, triggers
from pipeline.assessment.report import verify
from pipeline.review.database import Database
from tests.agents.commands.conftest import Assess

MODULES = (assess, assess_answer, assess_drill, assess_hazard, assess_register, assess_trigger, verify)
SAYING = {"say", "said", "warn", "_show_all", "_same", "Checked"}
"""Functions whose texts are translated."""


def texts(module: ModuleType) -> Iterator[str]:
    """Yield the texts that the module gives to one of SAYING; of Checked, the second argument."""
    for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SAYING:
            for given in node.args[:2]:
                yield from (str(each.value) for each in ast.walk(given) if isinstance(each, ast.Constant))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_line_has_a_chinese_text(module: ModuleType) -> None:
    prose = {text for text in texts(module) if " " in text.strip()}
    assert prose - chinese().keys() == set()


def test_states_and_kinds_have_chinese_texts() -> None:
    named = {*get_args(hazards.HazardState), *get_args(hazards.HazardSource), *get_args(triggers.TriggerState)}
    named |= {*get_args(drills.DrillKind), "flag", "decision", "action", "ok", "fault", "skipped", "draft", "final"}
    named |= {inspect.cleandoc(entry.__doc__ or "") for entry in register.KINDS.values()}
    assert named - chinese().keys() == set()


def test_both_texts_have_the_same_places() -> None:
    def places(text: str) -> set[str | None]:
        return {name for _, name, _, _ in Formatter().parse(text)} - {None}

    assert [english for english, text in chinese().items() if places(english) != places(text)] == []


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "zh_TW"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": ""}, "en"),
        ({}, "en"),
    ],
)
def test_the_environment_selects_the_language(variables: dict[str, str], found: str) -> None:
    assert of_environment(variables) == found


def test_a_chinese_reader_gets_chinese_lines(
    assess_at: Assess, duties: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert assess_at("--lang", "zh", "hazard", "list").stdout == "没有隐患。\n"
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert "期限 -  责任人 -" in assess_at("hazard", "add", "备份可公开访问", "--about", "5(5)").stdout
    assert assess_at("--lang", "en", "hazard", "list", "--state", "closed").stdout == "No hazards.\n"
