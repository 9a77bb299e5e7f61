"""Cases as CSV: one line a case, times of the reader's zone, and nothing that a spreadsheet would run."""

import csv
import io
from functools import partial
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pipeline.console.desk.csv_export import COLUMNS, exported
from pipeline.console.texts import Texts
from pipeline.contract.messages import HeardSound
from pipeline.review.cases.values import Case
from pipeline.review.search.case_lists import ListedCase
from tests.builders import NOON, flag, sound_flag

SAY = partial(Texts().say, "zh")


def listed(text: str = "hello", speaker: str = "ann", room: str = "lobby") -> ListedCase:
    case = Case(
        id="c", room=room, speaker=speaker, room_type="default", start=NOON, end=NOON + 5, label="abuse",
        suggestion="review", risk=0.456, language="en", text=text, created_at=NOON + 7,
    )  # fmt: skip
    later = flag("b", 6, 9, text="and more")
    return ListedCase(case=case, flags=(later, flag("a", 0, 5, text=text)), decision=None, clip=None, appealed=False)


def read(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))


def test_a_line_has_the_case_and_all_that_was_said_in_it_by_time() -> None:
    [line] = read(exported([listed()], SAY, ZoneInfo("Asia/Shanghai")))
    assert tuple(line) == COLUMNS
    assert (line["case"], line["severity"], line["risk"], line["verdict"]) == ("c", "medium", "0.46", "")
    assert line["said"] == "hello / and more"
    assert line["stored"].endswith(":07+08:00")


def test_a_sound_is_written_in_the_readers_language() -> None:
    heard = (sound_flag("a"), sound_flag("b", 20, sound=HeardSound(kind="howl", score=0.8)))
    [line] = read(exported([structs.replace(listed(), flags=heard)], SAY))
    assert line["said"] == "违禁录音： The anthem / 啸叫"


@given(st.text(max_size=30).filter(lambda text: "\x00" not in text))
def test_no_cell_is_a_formula(text: str) -> None:
    [line] = read(exported([listed(text, text, text)], SAY))
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in line.values())
