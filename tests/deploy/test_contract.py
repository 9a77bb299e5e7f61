"""The contract in docs/ matches the code, and encoded messages match the contract."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from msgspec import structs

from agents.commands.label import labelling_line
from agents.commands.results import error_line, file_line, unheard_line, utterance_line
from agents.commands.textlines import InputPlace
from deploy.contract.__main__ import COMMAND, DOCS, files, main
from deploy.contract.schemas import KINDS
from pipeline.contract.messages import Flag
from pipeline.contract.speech_status import status_of
from pipeline.runner.recordings_runner import FileReport
from pipeline.sound.labelling.implicit_label import ImplicitLabel
from pipeline.sound.labelling.label_check import ExplicitLabel, Labelling
from tests.pipeline.strategies import messages

LABELLED = labelling_line(
    Labelling(
        "a.mp3",
        transcribed=True,
        marks=[ExplicitLabel("rhythm", 0.0, 1.1), ExplicitLabel("notice", 1.5, 4.0, "AI", "en")],
        metadata=[ImplicitLabel("tag AIGC", "valid", {"Label": "1"})],
    )
)


@pytest.mark.parametrize("path", files(DOCS), ids=lambda path: path.name)
def test_the_documents_match_the_code(path: Path) -> None:
    assert path.is_file(), f"Run {COMMAND}"
    assert path.read_text(encoding="utf-8") == files(DOCS)[path], f"The contract has changed: run {COMMAND}"


def test_the_command_writes_the_same_documents_twice(tmp_path: Path) -> None:
    (tmp_path / "contract.md").write_text("# Topics\n<!-- begin topics -->\n<!-- end topics -->\n", encoding="utf-8")
    main(tmp_path)
    first = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    main(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == first
    assert len(first) == len(KINDS) + 2
    assert "`voice.dead-letters`" in (tmp_path / "contract.md").read_text(encoding="utf-8")


def test_no_line_of_the_manual_is_too_long_to_read() -> None:
    assert max(map(len, (DOCS / "contract.md").read_text(encoding="utf-8").splitlines())) <= 120


@given(messages(Flag).filter(lambda flag: bool(flag.hits)))
def test_the_json_lines_in_the_manual_have_the_keys_that_the_command_prints(flag: Flag) -> None:
    flag = structs.replace(flag, sound=None, withheld=(), released="", act=())
    text = (DOCS / "contract.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```jsonl\n(.*?)```", text, re.DOTALL)
    shown = [json.loads(one) for block in blocks for one in re.split(r"\n(?=\{)", block)]
    printed = [
        utterance_line(flag, "a.wav"),
        unheard_line(status_of(flag, "failed")),
        file_line(FileReport("a.wav")),
        error_line(InputPlace(7), ""),
        LABELLED,
    ]
    assert [list(line) for line in shown] == [list(line) for line in printed]
    assert list(shown[0]["hits"][0]) == list(printed[0]["hits"][0])
    assert [[*map(list, shown[4][key])] for key in ("marks", "metadata")] == [
        [*map(list, LABELLED[key])] for key in ("marks", "metadata")
    ]
