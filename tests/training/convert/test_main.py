"""The command writes a set's files, and every set that we train on has a source whose licence allows it."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.base.errors import ConfigError
from tests.training.convert.samples import put
from training.classifier.sets import SETS, read
from training.convert.__main__ import app
from training.convert.sources import SOURCES

DOCS = Path(__file__).parents[3] / "docs" / "learning.md"
FREE = re.compile(
    r"(Apache-2\.0|MIT|CC0-1\.0|CC-BY-(4\.0|3\.0|2\.0-FR|SA-3\.0)|CDLA-Sharing-1\.0)(, (texts|names) CC-BY-SA.*)?"
)
"""Licences that let us publish a model. docs/learning.md says why those with share-alike are among them."""


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    if isinstance(result.exception, ConfigError):
        raise result.exception
    assert result.exit_code == 0
    return result.output


def test_a_download_becomes_a_set(tmp_path: Path) -> None:
    put(tmp_path / "toxicity", {"toxicity_en.csv": "text,is_toxic\nhello,Not Toxic\nbye,Toxic\n"})
    run("surge_toxicity", tmp_path / "toxicity", "--data", tmp_path / "sets")
    assert [row.text for row in read(tmp_path / "sets", ("surge_toxicity",))] == ["hello", "bye"]


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("nothing", "", "No converter for nothing"),
        ("cold", "", "No converter for cold"),
        ("surge_toxicity", "text,is_toxic\n", "No rows in"),
        ("surge_toxicity", "text,toxic\nhello,1\n", r"have another form: KeyError\('is_toxic'\)"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, name: str, content: str, named: str) -> None:
    put(tmp_path, {"toxicity_en.csv": content})
    with pytest.raises(ConfigError, match=named):
        run(name, tmp_path, "--data", tmp_path / "sets")
    assert not (tmp_path / "sets").exists()


def test_every_set_has_a_source_and_a_licence_that_allows_a_model() -> None:
    assert {"authored", *SOURCES} == {*SETS}
    assert not [name for name, public in SOURCES.items() if not FREE.fullmatch(public.licence)]


def test_the_docs_list_each_set_with_its_source_and_licence() -> None:
    docs = DOCS.read_text("utf-8")
    for name, public in SOURCES.items():
        assert f"| `{name}` | <{public.address}> | {public.licence} |" in docs
