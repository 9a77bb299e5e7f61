"""The page of one case, its clip, and why the case was flagged."""

import re

import pytest
from sqlalchemy import update

from pipeline.console.cases.case_page import NOTHING, FlagScore, filled, scores
from pipeline.console.cases.case_view import case_view
from pipeline.contract.messages import SAMPLE_RATE, HeardSound, Hit
from pipeline.judge import verdict
from pipeline.judge.reader.second_reading import flag_of
from pipeline.judge.verdict import decide_verdict as judged
from pipeline.review import audit_log
from pipeline.review.cases import notes, user_reports
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import ClipPiece, Evidence, Filters
from pipeline.review.cases.notes import LONGEST
from pipeline.review.cases.user_reports import Complaint
from pipeline.review.delivery import enforcements
from pipeline.review.delivery.enforcements import Enforcement
from pipeline.review.evidence import clip_player
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.tables.core import CASES
from pipeline.speech.audio.encode import encode_opus_clip
from tests.builders import NOON, flag, second_reading, sound_flag
from tests.pipeline.console.cases.test_case_decisions import decide, stored, taken
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.judge.fakes import LABELS
from tests.pipeline.judge.test_verdict import RULES
from tests.pipeline.review.voices import tone


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
        lines = [line for line in audit_log.all_lines(connection) if line.subject == case]
    return [(line.actor, line.action, line.detail) for line in lines]


def test_a_case_is_found_by_the_digits_that_the_pages_show(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana = enter("ana")
    assert ana.get(f"/cases/{case[:8]}?label=fraud").headers["location"] == f"/cases/{case}?label=fraud"
    assert ana.get(f"/cases/{case[:7]}").status_code == 404, "too short"
    for typed in (f"#{case[:8]}", f"#{case[:8].upper()}", f"#{case}"):
        for field in ("q", "more"):
            assert ana.get("/search", params={field: typed}).headers["location"] == f"/cases/{typed[1:].lower()}"


def test_a_second_reading_shows_its_scores_and_not_the_words_again(console: Console, enter: Enter) -> None:
    words = flag("a", text="I will find you", language="en", hits=())
    read = flag_of(second_reading("a", text=words.text, language="en", utterance=words.utterance))
    [outcome, _] = console.store.add([words, read], NOON)
    shown = enter("ana").get(f"/cases/{outcome.case}", headers={"hx-request": "true"}).text
    assert shown.count('class="turn this"') == 1
    assert '<span class="chip out">' in shown
    assert shown.count("Second reader") == 2  # the mark of the case, and the heading of the scores
    assert "for the second reader (implied)" in shown
    with console.database.read() as connection:
        assert [turn.flag.source for turn in case_view(connection, outcome.case).room_flags] == ["words"]


def test_a_case_of_the_second_reader_alone_shows_its_words(console: Console, enter: Enter) -> None:
    read = flag_of(second_reading("a", text="nobody would miss you", language="en"))
    [outcome] = console.store.add([read], NOON)
    shown = enter("ana").get(f"/cases/{outcome.case}", headers={"hx-request": "true"}).text
    assert shown.count('class="turn this"') == 1
    assert "heard as" in shown.lower() or "0.90" in shown
    assert scores(read) == [FlagScore("violence", 0.9, 0.7)]


def test_a_released_flag_takes_the_place_of_the_one_that_was_withheld(console: Console, enter: Enter) -> None:
    first = flag("a", utterance="u", reasons=("fraud: score 0.91 reaches review at 0.80", verdict.of_withheld("abuse")))
    released = flag("b", utterance="u", reasons=(first.reasons[0], verdict.of_both("abuse")), released="abuse")
    read = flag_of(second_reading("c", text=first.text, utterance="u"))
    [outcome, *_] = console.store.add([first, released, read], NOON)
    shown = enter("ana").get(f"/cases/{outcome.case}", headers={"hx-request": "true"}).text
    assert shown.count('class="turn this"') == 1
    with console.database.read() as connection:
        found = case_view(connection, outcome.case)
    assert [turn.flag.id for turn in found.room_flags] == ["b"]
    assert [each.id for each in found.flags] == ["b", read.id]


def test_neither_an_audit_nor_a_second_reading_of_the_same_speech_shows_the_other(console: Console) -> None:
    passed = flag("a", utterance="u", suggestion="pass", flagged=(), hits=())
    [audit_] = console.store.add([passed], NOON, drawn={"a"}, probability=1.0)
    [reading] = console.store.add([flag_of(second_reading("b", text=passed.text, utterance="u"))], NOON)
    assert audit_.case != reading.case
    with console.database.read() as connection:
        assert [len(case_view(connection, one.case).room_flags) for one in (audit_, reading)] == [1, 1]


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
    assert clip_player.decode_clip(fast.content).size / SAMPLE_RATE == pytest.approx(1.0, abs=0.2)
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


def test_a_page_without_audio_says_whether_it_will_come(console: Console, enter: Enter) -> None:
    """The store of the clips was away when the case came."""
    [case] = stored(console)
    page = enter("ana")
    assert "Audio cannot be played" in page.get(f"/cases/{case}").text
    console.store.put_off_clip(case, NOON)
    assert "The audio arrives when the store of the clips is back." in page.get(f"/cases/{case}").text
    tried = console.store.claim_clip(NOON)
    assert tried is not None
    console.store.settle_clip(tried)
    assert "Its time was over before the store of the clips was back." in page.get(f"/cases/{case}").text


@pytest.mark.parametrize("voice", [True, False])
def test_a_party_neither_gets_nor_sees_nor_hears_the_case(console: Console, enter: Enter, voice: bool) -> None:
    complaint = Complaint(room="karaoke", reporter="bob" if voice else "ana", at=NOON)
    with console.database.write() as connection:
        report, _ = user_reports.file(connection, complaint, NOON, Ranking({}), 60.0)
        user_reports.finish_search(connection, report, {"ana" if voice else "eve"})
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


def test_a_clip_that_was_fetched_ahead_counts_as_played_only_when_it_is_played(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    attach(console, case, encode_opus_clip(tone(2.0)))
    ana = enter("ana")
    early = ana.get(f"/cases/{case}/clip?ahead=yes")
    assert early.content == ana.get(f"/cases/{case}/clip").content
    assert -24 <= float(early.headers["x-gain-db"]) <= 24
    assert ana.post(f"/cases/{case}/played").status_code == 204
    assert enter("aud").post(f"/cases/{case}/played").status_code == 403
    assert [action for _, action, _ in actions(console, case)] == ["case.fetch", "case.play", "case.play"]


def test_a_score_has_the_threshold_that_the_rule_names() -> None:
    rules = ("hate: score 0.90 reaches block at 0.80", "fraud: the term “x” (high) means review")
    given = {"hate": 0.9, "fraud": 0.2}
    one = flag("a", 0, 5, labels=given, flagged=("hate", "fraud", "gone"), reasons=rules)
    assert scores(one) == [FlagScore("hate", 0.9, 0.8), FlagScore("fraud", 0.2, None)]


def test_the_thresholds_are_those_of_the_judge_s_own_words() -> None:
    """The rules' words come from the judge. If they change, the page must still find the threshold."""
    made = judged({"abuse": 0.95}, [], RULES, LABELS)
    one = flag("a", 0, 5, labels={"abuse": 0.95}, flagged=made.flagged, reasons=made.reasons)
    assert scores(one) == [FlagScore("abuse", 0.95, 0.9)]


def test_a_flag_of_the_risk_alone_says_so(console: Console, enter: Enter) -> None:
    """Otherwise a person sees only the score of the likeliest label, which is low."""
    made = judged({"abuse": 0.2, "risk": 0.99}, [], RULES, LABELS)
    [case] = [one.case for one in console.store.add([flag("a", 0, 5, risk=0.99, reasons=made.reasons)], NOON)]
    assert "0.99: the probability that any label applies" in enter("ana").get(f"/cases/{case}").text


def test_the_form_has_an_undone_decision_again(console: Console, enter: Enter) -> None:
    [case] = stored(console)
    ana, ben = enter("ana"), enter("ben")
    decide(ana, case, taken(ana, case), label="hate", reason="wrong_label", action="mute", note="说明")
    ana.post("/undo")
    decisions = console.store.case(case).decisions
    fields = {"label": "hate", "reason": "wrong_label", "action": "mute", "note": "说明", "given": "yes"}
    assert filled(decisions, "ana") == fields
    assert filled(decisions, "ben") == filled((), "ana") == NOTHING
    form = ana.post(f"/cases/{case}/open").text
    assert 'name="label" value="hate"' in form
    assert ">说明</textarea>" in form
    console.clock.now += 301
    assert "说明</textarea>" not in ben.post(f"/cases/{case}/open").text


def test_a_disguised_term_has_its_normalised_form_below_what_was_said(console: Console, enter: Enter) -> None:
    hit = Hit("kill yourself", "abuse", "high", 3, 19)
    said = flag("a", 0, 5, text="go k.i.l.l yourself", hits=(hit,))
    plain = flag("b", 30, 35, text="kill yourself", hits=(Hit("kill yourself", "abuse", "high", 0, 13),))
    disguised, open_ = (one.case for one in console.store.add([said, plain], NOON))
    page = enter("ana").get(f"/cases/{disguised}", headers={"accept-language": "zh-CN"}).text
    assert '归一化 </span><bdi><span>go </span><span class="hit">kill yourself</span></bdi>' in page
    assert 'data-do="normalised"' in page
    other = enter("ana").get(f"/cases/{open_}").text
    assert 'data-do="normalised"' not in other
    assert 'class="normal"' not in other


@pytest.mark.parametrize(("language", "words"), [("en", "The speech before these words led to"), ("zh-CN", "结合前文")])
def test_a_flag_that_the_context_raised_says_so(console: Console, enter: Enter, language: str, words: str) -> None:
    before = flag("a", 0, 5, reasons=("violence: score 0.95 reaches review at 0.90", verdict.of_context("pass")))
    alone = flag("b", 30, 35)
    raised, other = (one.case for one in console.store.add([before, alone], NOON))
    ana = enter("ana")
    pages = [ana.get(f"/cases/{case}", headers={"accept-language": language}).text for case in (raised, other)]
    assert [words in page for page in pages] == [True, False]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "Words and second ear agree on Threats and violence"),
        ("zh-CN", "语音文字与声音模型都判为"),
    ],
)
def test_a_released_flag_says_that_both_sources_agree(
    console: Console, enter: Enter, language: str, words: str
) -> None:
    both = flag("a", 0, 5, reasons=(verdict.of_both("violence"),), released="violence")
    alone = flag("b", 30, 35)
    released, other = (one.case for one in console.store.add([both, alone], NOON))
    ana = enter("ana")
    pages = [ana.get(f"/cases/{case}", headers={"accept-language": language}).text for case in (released, other)]
    assert [words in page for page in pages] == [True, False]


def test_similar_cases_are_real_and_have_words(console: Console, enter: Enter) -> None:
    ana = enter("ana")
    drill, silent, real, open_case = stored(console, 4)
    for case in (drill, silent, real):
        decide(ana, case, taken(ana, case))
    with console.database.write() as connection:
        connection.execute(update(CASES).where(CASES.c.id == drill).values(drill="stop"))
        connection.execute(update(CASES).where(CASES.c.id == silent).values(text=""))
    with console.database.read() as connection:
        assert {case.id for case in case_view(connection, open_case).similar} == {silent, real}
        assert case_view(connection, silent).similar == ()


def test_a_case_of_a_sound_says_what_was_heard_and_shows_no_empty_transcript(console: Console, enter: Enter) -> None:
    [outcome] = console.store.add([sound_flag()], NOON)
    page = enter("ana").get(f"/cases/{outcome.case}").text
    assert page.count("The anthem") >= 3, "in the queue, in place of the transcript, and among the reasons"
    assert "Banned recording" in page
    assert "What was heard" in page
    assert "heard as" not in page
    assert '<span class="chip out">Sound</span>' in page
    chinese = enter("ben").get(f"/cases/{outcome.case}", headers={"accept-language": "zh-CN"}).text
    assert "违禁录音" in chinese


def test_a_case_of_a_sound_event_names_it_in_the_readers_language(console: Console, enter: Enter) -> None:
    [outcome] = console.store.add([sound_flag(sound=HeardSound(kind="howl", score=0.8))], NOON)
    page = enter("ana").get(f"/cases/{outcome.case}").text
    assert page.count("Howl (acoustic feedback)") >= 3, "in the queue, in place of the transcript, and in the reasons"
    chinese = enter("ben").get(f"/cases/{outcome.case}", headers={"accept-language": "zh-CN"}).text
    assert chinese.count("啸叫") >= 3
    title = re.search(r'<h2 id="case-title".*?</h2>', page, re.DOTALL)
    assert title is not None
    assert ("Howl" in title[0], "No label" in title[0]) == (True, False)


def test_a_case_of_the_second_ear_names_its_source_its_label_and_the_models_own(console: Console, enter: Enter) -> None:
    heard = HeardSound(kind="ear", name="Discrimination", score=0.93)
    reasons = ("second ear: hate 0.93 reaches review at 0.90",)
    found = sound_flag(sound=heard, source="ear", flagged=("hate",), labels={"hate": 0.93}, reasons=reasons)
    [outcome] = console.store.add([found], NOON)
    page = enter("ana").get(f"/cases/{outcome.case}").text
    assert page.count("Discrimination") >= 3, "in the queue, in place of the transcript, and among the reasons"
    assert '<span class="chip out">Second ear</span>' in page
    assert reasons[0] in page
    assert "0.93" in page
    chinese = enter("ben").get(f"/cases/{outcome.case}", headers={"accept-language": "zh-CN"}).text
    assert "声音模型" in chinese


def test_a_case_of_words_and_a_sound_shows_both(console: Console, enter: Enter) -> None:
    console.store.add([sound_flag(), flag("a", 5, 12, risk=0.9)], NOON)
    [case] = console.store.cases(Filters())
    page = enter("ana").get(f"/cases/{case.id}").text
    assert ("The anthem" in page, "弄死你" in page, "heard as" in page) == (True, True, True)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", {"direct": "openly", "coded": "in code or disguised", "implied": "as a hint", "context": "only with"}),
        ("zh-CN", {"direct": "直接说出", "coded": "暗语或变体", "implied": "暗示", "context": "结合前文才明白"}),
    ],
)
def test_a_finding_of_the_second_reader_says_how_the_words_mean_it(
    console: Console, enter: Enter, language: str, words: dict[str, str]
) -> None:
    found = [
        flag(manner, 30 * n, 30 * n + 5, source="reader", reasons=(verdict.of_reader("fraud", 0.9, 0.7, manner),))
        for n, manner in enumerate(words)
    ]
    cases = [one.case for one in console.store.add(found, NOON)]
    ana = enter("ana")
    for case, said in zip(cases, words.values(), strict=True):
        assert f"<dd>{said}" in ana.get(f"/cases/{case}", headers={"accept-language": language}).text


@pytest.fixture
def case(console: Console) -> str:
    return console.store.add([flag("a", 0, 5)], NOON)[0].case


def test_a_thread_with_a_mention(console: Console, enter: Enter, case: str) -> None:
    ana, ben = enter("ana"), enter("ben")
    assert "No notes" in ana.get(f"/cases/{case}/notes").text
    answer = ana.post(f"/cases/{case}/notes", data={"text": "@ben <b>look</b>"})
    assert "<bdi>@ben &lt;b&gt;look&lt;/b&gt;</bdi>" in answer.text
    assert ben.get("/inbox/due").json()["count"] == 1
    assert "mentioned you" in ben.get("/inbox").text
    assert "@ben" in ben.get(f"/cases/{case}/notes").text
    assert ben.get("/inbox/due").json()["count"] == 0


def test_an_auditor_reads_and_does_not_write(enter: Enter, case: str) -> None:
    enter("ana").post(f"/cases/{case}/notes", data={"text": "odd"})
    assert "odd" in enter("aud").get(f"/cases/{case}/notes").text
    written = [name for name in ("ana", "aud") if 'id="note-text"' in enter(name).get(f"/cases/{case}").text]
    assert written == ["ana"]


def test_only_leads_assign_from_the_page(enter: Enter, case: str) -> None:
    assert f"/queue/move?case={case}" in enter("lea").get(f"/cases/{case}/notes").text
    assert "/queue/move" not in enter("ana").get(f"/cases/{case}/notes").text


@pytest.mark.parametrize(("text", "status"), [("", 422), (" ", 409), ("a\x00", 422), ("x" * (LONGEST + 1), 422)])
def test_wrong_notes_are_refused(console: Console, enter: Enter, case: str, text: str, status: int) -> None:
    assert enter("ana").post(f"/cases/{case}/notes", data={"text": text}).status_code == status
    with console.database.read() as connection:
        assert notes.notes_of(connection, case) == []


def test_there_are_no_notes_on_an_unknown_case(enter: Enter) -> None:
    assert enter("ana").get("/cases/0/notes").status_code == 404
