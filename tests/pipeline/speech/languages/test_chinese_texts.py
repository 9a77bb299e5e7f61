"""Chinese texts for readers: full-width marks beside Han characters, and a space between Han and Latin characters."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import pipeline
from pipeline.base import yaml_reading
from pipeline.base.user_files import configs_folder

HOME = Path(pipeline.__file__).parent
FILES = (
    HOME / "speech/languages/zh/console.yaml",
    HOME / "assessment/forms.yaml",
    HOME / "assessment/catalogue.yaml",
    HOME / "assessment/report/texts/zh.yaml",
    HOME.parent / "agents/commands/assess_zh.yaml",
    configs_folder() / "labels.yaml",
)
HAN = "[\u3400-\u9fff]"
WRONG = {
    "a half-width mark": re.compile(rf"{HAN} ?[,.:;?!()\"](?!\w)|[,:;?!()\"] ?{HAN}"),
    "no space beside Latin": re.compile(rf"{HAN}[A-Za-z0-9]|[A-Za-z0-9]{HAN}"),
    "a straight quote": re.compile(rf"{HAN}['\"]|['\"]{HAN}"),
    "a space beside a full-width mark": re.compile(r" [，。：；？！（）、“”]|[，。：；？！（）、“”] "),
    "not the polite form": re.compile("你"),
}


FREE = re.compile(r"\.examples\.|\.formula\.")
"""Examples of speech, and formulas."""


def texts(tree: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Return the path and the text of each text with a Han character in a YAML tree."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from texts(value, f"{path}.{key}")
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from texts(value, f"{path}.{number}")
    elif re.search(HAN, str(tree)):
        yield path, str(tree)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_chinese_texts_follow_the_rules_of_chinese_type(file: Path) -> None:
    found = [(path, text) for path, text in texts(yaml_reading.read_yaml(file)) if not FREE.search(path)]
    assert found
    assert not [(path, fault, text) for path, text in found for fault, pattern in WRONG.items() if pattern.search(text)]


@pytest.mark.parametrize(
    "text", ["处理,然后", "处理 : 超时", "共 3件", "第3 件", "处理(3 件)", '他说"好"', "处理 ，然后", "你好"]
)
def test_each_rule_finds_its_fault(text: str) -> None:
    assert any(pattern.search(text) for pattern in WRONG.values())
