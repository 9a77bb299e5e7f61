"""The page of one case, its clip, and the marks of the flagged part and of the hits in the clip."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audio.encode import encode_opus_clip
from pipeline.console.case_page import marks
from pipeline.console.view import PageView
from pipeline.console.waveform import HEIGHT, WIDTH
from pipeline.messages import SAMPLE_RATE, Hit
from pipeline.review import audit
from pipeline.review.appeals import reports
from pipeline.review.appeals.reports import Complaint
from pipeline.review.cases.ranking import Ranking
from pipeline.review.cases.values import CaseFile, ClipPiece, Evidence
from pipeline.review.delivery import enforcements
from pipeline.review.delivery.enforcements import Enforcement
from pipeline.review.evidence import sound
from pipeline.review.evidence.store import EvidenceFolder
from tests.builders import NOON, case, flag
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.console.test_acting import stored, taken
from tests.pipeline.review.voices import tone

SECONDS = 10.0
Span = tuple[float | None, float | None]
UNIT = WIDTH / SECONDS
"""Units of the outline per second of the clip."""


def clip(*pieces: ClipPiece) -> Evidence:
    start = min((piece.start for piece in pieces), default=NOON)
    return Evidence(
        path="a.ogg", case="c", start=start, end=start + 60, seconds=SECONDS, bytes=1, sha256="", timeline=pieces
    )


def page_view(start: float, end: float, hits: Sequence[Span], *clips: Evidence) -> PageView:
    """Return the page of a case from `start` to `end`, with hits at these times: all in seconds after NOON."""
    timed = [
        Hit("term", "abuse", "high", 0, 1, *(None if at is None else NOON + at for at in (first, last)))
        for first, last in hits
    ]
    one = flag("a", start, end, hits=tuple(timed))
    file = CaseFile(case=case(start, end, text=one.text), flags=(one,), evidence=clips, decisions=())
    return PageView(file, (), (), (), (), None, None, None)


def attach(console: Console, case: str, data: bytes) -> None:
    folder = EvidenceFolder(console.evidence)
    path = folder.put(case, NOON, data)
    console.store.attach(
        Evidence(
            path=path,
            case=case,
            start=NOON,
            end=NOON + 5,
            seconds=2.0,
            bytes=len(data),
            sha256="",
            timeline=(ClipPiece(0.0, NOON, 2.0),),
        )
    )


def actions(console: Console, case: str) -> list[tuple[str, str, str]]:
    with console.database.read() as connection:
        lines = [line for line in audit.lines(connection) if line.subject == case]
    return [(line.actor, line.action, line.detail) for line in lines]


def test_marks_are_at_their_places_in_the_clip() -> None:
    whole = clip(ClipPiece(0.0, NOON - 5, SECONDS))
    found = marks(page_view(0, 4, [(1, 2), (3, 3), (None, 2), (1, None)], whole))
    assert (found["width"], found["height"], found["seconds"]) == (WIDTH, HEIGHT, SECONDS)
    assert found["span"] == (5.0, 9.0)
    assert found["span_box"] == pytest.approx((5 * UNIT, 4 * UNIT))
    # A hit without both times has no box, and a short one is still visible.
    assert found["hit_boxes"] == [pytest.approx((6 * UNIT, UNIT)), pytest.approx((8 * UNIT, 2.0))]


def test_a_pause_that_the_clip_leaves_out_moves_the_marks() -> None:
    found = marks(page_view(0, 40, [(36, 38)], clip(ClipPiece(0.0, NOON, 4.0), ClipPiece(5.0, NOON + 35, 5.0))))
    assert found["span"] == (0.0, 10.0)
    assert found["hit_boxes"] == [pytest.approx((6 * UNIT, 2 * UNIT))]


def test_a_hit_after_the_end_of_the_clip_has_no_box() -> None:
    # The case has grown, and its new clip is not cut yet.
    found = marks(page_view(0, 20, [(1, 2), (9, 12), (14, 15)], clip(ClipPiece(0.0, NOON, SECONDS))))
    assert found["span"] == (0.0, SECONDS)
    assert found["hit_boxes"] == [pytest.approx((UNIT, UNIT)), pytest.approx((9 * UNIT, UNIT))]


def test_without_a_clip_there_are_no_marks() -> None:
    assert marks(page_view(0, 4, [(1, 2)])) == {}


@given(
    st.tuples(st.floats(-20, 40), st.floats(0, 30)),
    st.lists(st.tuples(st.floats(-20, 40), st.floats(0, 5)), max_size=3),
    st.floats(0.1, 9.9),
    st.floats(0, 20),
)
def test_all_marks_are_in_the_picture(
    span: tuple[float, float], hits: list[tuple[float, float]], cut: float, pause: float
) -> None:
    pieces = ClipPiece(0.0, NOON, cut), ClipPiece(cut, NOON + cut + pause, SECONDS - cut)
    (start, seconds), times = span, [(at, at + length) for at, length in hits]
    found = marks(page_view(start, start + seconds, times, clip(*pieces)))
    assert 0 <= found["span"][0] <= found["span"][1] <= SECONDS
    for left, width in (found["span_box"], *found["hit_boxes"]):
        assert left >= 0
        assert left + width <= WIDTH + 2 + 1e-3


def test_looking_takes_no_lease_and_is_in_the_audit_log(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    whole, part = (enter("aud").get(f"/cases/{case}", headers=headers) for headers in ({}, {"hx-request": "true"}))
    assert ("<html" in whole.text, "<html" in part.text) == (True, False)
    assert f'data-case="{case}"' in whole.text
    assert f'data-case="{case}"' in part.text
    assert "data-lease=" not in whole.text + part.text
    assert actions(console, case) == [("aud", "case.view", "{}")] * 2


@pytest.mark.parametrize(("case", "status"), [("0", 404), ("ABC", 422), ("0" * 65, 422)])
def test_an_unknown_case_is_not_found_and_not_logged(console: Console, enter: Enter, case: str, status: int) -> None:
    ana = enter("ana")
    assert ana.get(f"/cases/{case}").status_code == status
    assert ana.get(f"/cases/{case}/clip").status_code == status
    assert actions(console, case) == []


def test_a_clip_is_played_at_each_speed_and_the_audit_log_knows_it(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    data = encode_opus_clip(tone(2.0))
    attach(console, case, data)
    ana = enter("ana")
    plain, fast = ana.get(f"/cases/{case}/clip"), ana.get(f"/cases/{case}/clip?speed=2")
    assert (plain.content, plain.headers["content-type"]) == (data, "audio/ogg")
    assert plain.headers["cache-control"] == "no-store"
    assert sound.decode(fast.content).size / SAMPLE_RATE == pytest.approx(1.0, abs=0.2)
    assert ana.get(f"/cases/{case}/clip?speed=3").status_code == 422
    played = [("ana", "case.play", f'{{"speed":"{speed}"}}') for speed in ("1", "2")]
    assert actions(console, case) == played


def test_a_case_without_audio_has_a_page_but_no_player(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana = enter("ana")
    assert ana.get(f"/cases/{case}/clip").status_code == 404
    attach(console, case, b"no sound")
    assert 'id="player"' not in ana.get(f"/cases/{case}").text
    attach(console, case, encode_opus_clip(tone(2.0)))
    assert 'id="player"' in ana.get(f"/cases/{case}").text
    EvidenceFolder(console.evidence).remove(console.store.case(case).evidence[0].path)
    assert ana.get(f"/cases/{case}/clip").status_code == 404
    assert 'id="player"' not in ana.get(f"/cases/{case}").text


def test_only_people_who_decide_may_listen(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    attach(console, case, encode_opus_clip(tone(2.0)))
    auditor = enter("aud")
    assert 'id="player"' not in auditor.get(f"/cases/{case}").text
    assert auditor.get(f"/cases/{case}/clip").status_code == 403
    assert "case.play" not in {action for _, action, _ in actions(console, case)}


def test_the_form_for_a_decision_needs_a_lease(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana = enter("ana")
    form = re.compile(rf'action="/cases/{case}/decision"|hx-post="/cases/{case}/decision"')
    assert not form.search(ana.get(f"/cases/{case}").text)
    assert taken(ana, case)
    assert form.search(ana.post(f"/cases/{case}/open").text)


def test_actions_in_the_room_are_shown(console: Console, enter: Enter) -> None:
    """A rule muted the speaker, and the mute is in force."""
    [case] = stored(console)
    [spoken] = console.store.case(case).flags
    assert "Actions in the room" not in enter("aud").get(f"/cases/{case}").text
    given = Enforcement(
        id=spoken.id, case=case, room="room", speaker="ann", action="mute", label="hate", asked_at=NOON, decided=False
    )
    with console.database.write() as connection:
        enforcements.settle(connection, given, NOON + 9, until=NOON + 600)
    shown = enter("aud").get(f"/cases/{case}").text
    assert "Mute · done · by a rule" in shown
    assert "2026-01-01 12:10:00" in shown


@pytest.mark.parametrize("voice", [True, False])
def test_a_party_neither_gets_nor_sees_nor_hears_the_case(console: Console, enter: Enter, voice: bool) -> None:
    complaint = Complaint(room="karaoke", reporter="bob" if voice else "ana", at=NOON)
    with console.database.write() as connection:
        report, _ = reports.file(connection, complaint, NOON, Ranking({}), 60.0)
        reports.finish_search(connection, report, {"ana" if voice else "eve"})
    attach(console, report.case, encode_opus_clip(tone(2.0)))
    ana, ben = enter("ana"), enter("ben")
    for path in (f"/cases/{report.case}", f"/cases/{report.case}/clip", f"/cases/{report.case}/like"):
        assert (ana.get(path).status_code, ben.get(path).status_code) == (403, 200)
    assert report.case not in ana.get("/queue").text
    assert report.case not in ana.post("/next").text
    refused = ana.post(f"/cases/{report.case}/open")
    assert (refused.status_code, "karaoke" in refused.text) == (403, False)
    assert report.case in ben.get("/queue").text
    assert report.case in ben.post("/next").text
