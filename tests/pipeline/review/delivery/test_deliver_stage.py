"""The deliver stage with a real log, a real database, and real FLAC and Opus."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sqlalchemy import func, select

from pipeline.base.errors import DependencyError
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, EarlyUtterance, Flag, SecondReading, Sound, Utterance, origin
from pipeline.contract.speech_status import status_of
from pipeline.contract.stage import Rejected
from pipeline.contract.topology import DELIVER
from pipeline.judge import verdict
from pipeline.review.cases import phrase_muting
from pipeline.review.cases.case_values import CaseFile, Choice, Evidence, Filters, Outcome
from pipeline.review.database import Database
from pipeline.review.delivery import deliver_stage
from pipeline.review.delivery.deliver_stage import Deliver
from pipeline.review.delivery.event_outbox import FlagEventChoice
from pipeline.review.evidence.evidence_store import EvidenceFolder, EvidenceOutage
from pipeline.review.evidence.lookback import Lookback, UtteranceLog
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.assessment_tables import TALLIES
from pipeline.review.tables.core import OUTBOX
from pipeline.runner.stage_processor import build_processor
from pipeline.settings import Settings
from pipeline.speech.audio.decode import read_bytes
from tests.builders import NOON, flag, second_reading, sound, sound_flag
from tests.pipeline.review.voices import utterance


class Desk:
    """A deliver stage with its real parts."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.now = NOON + 30
        self.store = SqlReviewStore(database, flag_events=FlagEventChoice(frozenset({"review"}), most=2))
        self.evidence = EvidenceFolder(folder / "evidence")
        self.log = Lookback(folder / "lookback", 3_600, 10_000_000, lambda: self.now)
        self.metrics = Metrics()
        self.stage = Deliver(self.store, EvidenceOutage(self.evidence), self.log, self.metrics, clock=lambda: self.now)

    def said(self, name: str, start: float, end: float, hertz: float = 220.0) -> Flag:
        """Put an utterance into the log, and return a flag about it."""
        return flag(name, start, end, address=self.log.put(utterance(name, start, end, hertz)))

    def sounded(self, name: str, start: float, end: float, hertz: float = 660.0) -> Flag:
        """Put a sound into the log, and return its flag."""
        audio = utterance(name, start, end, hertz).data
        address = self.log.sounds.put(sound(name, start, end, data=audio))
        return sound_flag(name, start, end, address=address)

    def file(self) -> CaseFile:
        [case] = self.store.cases(Filters())
        return self.store.case(case.id)

    def figure(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"voxwarden_{name}", labels) or 0.0

    def clip(self) -> tuple[Evidence, np.ndarray[tuple[int], np.dtype[np.float32]]]:
        [clip] = self.file().evidence
        content = self.evidence.get(clip.path)
        assert content is not None
        assert (len(content), hashlib.sha256(content).hexdigest()) == (clip.bytes, clip.sha256)
        return clip, read_bytes(content, "the clip", 600)[0]

    def clips(self) -> list[str]:
        return [file.name for file in self.evidence.folder.rglob("*") if file.is_file()]


@pytest.fixture
def desk(tmp_path: Path, sqlite_url: str) -> Iterator[Desk]:
    made = Desk(tmp_path, Database(sqlite_url))
    yield made
    made.stage.close()


def pitch(samples: np.ndarray[tuple[int], np.dtype[np.float32]]) -> float:
    """Return the frequency of the loudest tone, in hertz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * SAMPLE_RATE / len(samples)


def test_a_flag_becomes_a_case_with_a_clip(desk: Desk) -> None:
    flagged = desk.said("a", 0, 4)
    [outcome] = desk.stage.process([flagged])
    assert isinstance(outcome, Outcome)
    assert outcome.result == "created"
    assert desk.file().flags == (flagged,)
    clip, samples = desk.clip()
    assert clip.path == f"2026/01/01/{outcome.case}.ogg"
    assert len(samples) / SAMPLE_RATE == pytest.approx(4, abs=0.05)
    assert clip.seconds == 4
    assert pitch(samples) == pytest.approx(220, abs=2)


def test_a_sound_becomes_a_case_with_its_audio_and_counts_as_no_speech(desk: Desk) -> None:
    flagged = desk.sounded("s", 0, 8)
    desk.stage.process([flagged])
    file = desk.file()
    assert file.flags == (flagged,)
    assert (file.case.source, file.case.text, file.case.language) == ("sound", "The anthem", "")
    clip, samples = desk.clip()
    assert [(p.offset, p.start - NOON, p.seconds) for p in clip.timeline] == [(0, 0, 8)]
    assert pitch(samples) == pytest.approx(660, abs=2)
    assert desk.figure("counted_seconds_total", room_type="other", state="monitored") == 0


def test_words_and_a_sound_at_the_same_time_are_one_case(desk: Desk) -> None:
    desk.stage.process([desk.sounded("s", 0, 8), desk.sounded("t", 8, 20), desk.said("a", 15, 24)])
    file = desk.file()
    assert [flag.source for flag in file.flags] == ["sound", "sound", "words"]
    assert (file.case.start - NOON, file.case.end - NOON) == (0, 24)
    [clip] = file.evidence
    assert clip.seconds == 24


def read(judged: Flag, **changes: Any) -> SecondReading:
    """Return the second reading of a flag."""
    given = {"address": judged.address, "text": judged.text, "transcript": judged.transcript}
    return second_reading(judged.id, judged.start - NOON, judged.end - NOON, **given | changes)


def test_a_second_reading_of_passed_speech_becomes_a_case_with_its_clip(desk: Desk) -> None:
    passed = msgspec.structs.replace(desk.said("a", 0, 4), suggestion="pass", flagged=(), hits=(), reasons=())
    assert desk.stage.process([passed]) == []
    [outcome] = desk.stage.process([read(passed)])
    assert isinstance(outcome, Outcome)
    assert outcome.result == "created"
    file = desk.file()
    assert [(one.source, one.suggestion, one.flagged) for one in file.flags] == [("reader", "review", ("violence",))]
    assert (file.case.source, file.case.text, file.case.label) == ("reader", passed.text, "violence")
    clip, samples = desk.clip()
    assert clip.seconds == 4
    assert pitch(samples) == pytest.approx(220, abs=2)


@pytest.mark.parametrize("first", [True, False])
def test_a_second_reading_joins_the_case_of_its_flag(desk: Desk, first: bool) -> None:
    """Also if it comes first. The case stays one of words, so figures by source say what only the reader found."""
    flagged = desk.said("a", 0, 4)
    reading = read(flagged, labels={"hate": 0.99}, flagged=("hate",), risk=0.99)
    for message in (reading, flagged) if first else (flagged, reading):
        desk.stage.process([message])
    file = desk.file()
    assert sorted(one.source for one in file.flags) == ["reader", "words"]
    assert (file.case.source, file.case.label, file.case.risk) == ("words", "violence", 0.5)
    assert len(file.evidence) == 1


def test_a_second_reading_counts_as_no_speech_and_as_no_latency(desk: Desk) -> None:
    flagged = desk.said("a", 0, 4)
    desk.stage.process([flagged, read(flagged)])
    desk.stage.process([read(flagged)])
    assert desk.figure("counted_seconds_total", room_type="other", result="monitored") == 4
    assert desk.figure("speech_to_flag_seconds_count") == 1
    assert [desk.figure("cases_total", result=name) for name in ("created", "merged", "repeated")] == [1, 1, 1]


def test_a_second_reading_by_another_version_of_the_policy_is_stored_beside_the_flag(desk: Desk) -> None:
    """And it does not stand for the flag if the transcript is judged again by that version."""
    flagged = desk.said("a", 0, 4)
    desk.stage.process([read(flagged, policy="default@2")])
    desk.stage.process([flagged])
    assert sorted(one.source for one in desk.file().flags) == ["reader", "words"]


def test_a_second_reading_of_decided_speech_is_linked(desk: Desk) -> None:
    flagged = desk.said("a", 0, 4)
    [outcome] = desk.stage.process([flagged])
    assert isinstance(outcome, Outcome)
    desk.store.decide(outcome.case, "mia", Choice(verdict="dismiss"), desk.now)
    [later] = desk.stage.process([read(flagged)])
    assert later == Outcome(f"reading-{flagged.id}", outcome.case, "linked")


def test_a_second_reading_that_cannot_be_stored_is_rejected(desk: Desk) -> None:
    bad = second_reading(text="\0")
    [rejected] = desk.stage.process([bad])
    assert isinstance(rejected, Rejected)
    assert rejected.message is bad


def test_an_address_of_a_sound_is_no_address_of_words(desk: Desk) -> None:
    flagged = desk.sounded("s", 0, 8)
    desk.stage.process([msgspec.structs.replace(flagged, source="words", sound=None)])
    assert desk.clips() == []
    assert desk.figure("evidence_missing_total") == 1


def test_a_clip_begins_with_the_speech_just_before(desk: Desk) -> None:
    desk.said("long ago", -30, -20, 110)
    desk.said("before", -8, -2, 440)
    desk.stage.process([desk.said("a", 0, 4, 220)])
    clip, samples = desk.clip()
    # 5 s of pre-roll: 3 s of speech, 2 s of pause.
    assert [(p.offset, p.start - NOON, p.seconds) for p in clip.timeline] == [(0, -5, 3), (5, 0, 4)]
    assert len(samples) / SAMPLE_RATE == pytest.approx(9, abs=0.05)
    heard = [samples[round(a * SAMPLE_RATE) : round(b * SAMPLE_RATE)] for a, b in ((0.5, 2.5), (3.5, 4.5), (5.5, 8.5))]
    assert pitch(heard[0]) == pytest.approx(440, abs=2)
    assert np.abs(heard[1]).max() < 0.01
    assert pitch(heard[2]) == pytest.approx(220, abs=2)


def test_each_second_of_speech_counts_once_however_often_it_arrives(desk: Desk) -> None:
    flagged = desk.said("a", 0, 4)
    segmented, skipped = status_of(flagged, "segmented"), status_of(flagged, "skipped", "overload")
    desk.stage.process([segmented])
    desk.stage.process([skipped])
    for _ in range(2):
        desk.stage.process([flagged, segmented])
    results = ("segmented", "monitored", "skipped", "failed")
    found = [desk.figure("counted_seconds_total", room_type="other", result=result) for result in results]
    assert found == [4, 4, 4, 0]


def test_passed_speech_is_not_stored(desk: Desk) -> None:
    passed = msgspec.structs.replace(desk.said("a", 0, 4), suggestion="pass")
    assert desk.stage.process([passed]) == []
    assert desk.store.cases(Filters()) == []
    assert desk.clips() == []
    assert desk.figure("cases_total", result="passed") == 1


def test_a_muted_flag_gets_no_case_and_no_clip_but_is_counted(desk: Desk) -> None:
    why = (verdict.of_term("violence", "弄死你", "high", "review"),)
    harmless = msgspec.structs.replace(desk.said("a", 0, 4), reasons=why)
    [created] = desk.stage.process([harmless])
    assert isinstance(created, Outcome)
    desk.store.decide(created.case, "ana", Choice(verdict="dismiss"), desk.now)
    with desk.store._database.write() as connection:
        phrase_muting.ask_to_mute(connection, created.case, "violence", "弄死你", "lea", NOON + 5, approve=True)
    clips = desk.clips()
    again = msgspec.structs.replace(desk.said("b", 10, 14), reasons=why)
    assert desk.stage.process([again]) == [Outcome("b", "", "muted")]
    assert desk.clips() == clips
    assert desk.figure("cases_total", result="muted") == 1
    desk.stage = Deliver(
        desk.store, EvidenceOutage(desk.evidence), desk.log, desk.metrics, lambda: desk.now, audit_share=1.0
    )
    third = msgspec.structs.replace(desk.said("c", 20, 24), reasons=why)
    assert [one.flag for one in desk.stage.process([third]) if isinstance(one, Outcome)] == ["c"]
    assert desk.figure("cases_total", result="audit") == 1
    assert len(desk.clips()) == len(clips) + 1


def test_passed_speech_drawn_for_audit_becomes_its_own_case_with_a_clip(desk: Desk) -> None:
    desk.stage = Deliver(
        desk.store, EvidenceOutage(desk.evidence), desk.log, desk.metrics, lambda: desk.now, audit_share=1.0
    )
    kept = desk.said("a", 0, 4)
    passed = msgspec.structs.replace(desk.said("b", 4, 8), suggestion="pass", flagged=())
    [outcome] = desk.stage.process([kept, passed])
    assert [one.flag for one in desk.stage.process([passed, kept]) if isinstance(one, Outcome)] == ["a"]
    cases = {case.suggestion: case for case in desk.store.cases(Filters())}
    assert isinstance(outcome, Outcome)
    assert cases["review"].id == outcome.case
    assert (cases["pass"].severity, cases["pass"].end - NOON) == (0, 8)
    assert len(desk.clips()) == 2
    assert desk.figure("cases_total", result="audit") == 2
    assert desk.figure("cases_total", result="passed") == 0


def test_outcomes_have_the_order_of_the_flags(desk: Desk) -> None:
    good = [desk.said("a", 0, 4), desk.said("c", 20, 24)]
    bad = msgspec.structs.replace(desk.said("b", 10, 14), text="nul \0")
    outcomes = desk.stage.process([good[0], bad, msgspec.structs.replace(good[0], suggestion="pass"), good[1], good[0]])
    assert [o.flag if isinstance(o, Outcome) else "rejected" for o in outcomes] == ["a", "rejected", "c", "a"]


def test_decided_speech_that_is_cut_again_changes_neither_case_nor_clip(desk: Desk) -> None:
    desk.stage.process([desk.said("a", 0, 4)])
    desk.store.decide(desk.file().case.id, "mia", Choice(verdict="dismiss"), NOON + 30)
    before, _ = desk.file(), desk.clip()
    [outcome] = desk.stage.process([desk.said("b", 0.2, 4.3)])
    assert isinstance(outcome, Outcome)
    assert (outcome.result, outcome.case) == ("linked", before.case.id)
    after = desk.file()
    assert (after.case, after.flags, after.evidence) == (before.case, before.flags, before.evidence)
    assert [one.id for one in after.linked] == ["b"]
    assert len(desk.clips()) == 1
    assert desk.figure("cases_total", result="linked") == 1


def test_a_repeated_flag_repairs_a_crash_between_file_and_row(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(clip: Evidence) -> list[str]:
        raise DependencyError("The database went away")

    flagged = desk.said("a", 0, 4)
    monkeypatch.setattr(desk.store, "attach", crash)
    with pytest.raises(DependencyError):
        desk.stage.process([flagged])
    monkeypatch.undo()
    desk.stage.process([flagged])
    assert desk.clip()[0].seconds == 4
    assert len(desk.clips()) == 1


def test_a_case_that_grows_gets_a_longer_clip(desk: Desk) -> None:
    desk.stage.process([desk.said("a", 0, 8)])
    desk.stage.process([desk.said("b", 7.5, 12)])
    clip, samples = desk.clip()
    assert (clip.start, clip.end, clip.seconds) == (NOON - 5, NOON + 12, 12)
    assert len(samples) / SAMPLE_RATE == pytest.approx(12, abs=0.05)
    assert len(desk.clips()) == 1


def test_merged_cases_have_one_clip(desk: Desk) -> None:
    desk.stage.process([desk.said("a", 0, 5), desk.said("c", 6, 10)])
    assert len(desk.clips()) == 2
    desk.stage.process([desk.said("b", 4, 7)])
    clip, samples = desk.clip()
    assert clip.seconds == 10
    assert len(samples) / SAMPLE_RATE == pytest.approx(10, abs=0.05)
    assert len(desk.clips()) == 1


@pytest.mark.parametrize("address", [None, "lookback/1767268800000-00000000/0", "voice.utterances/0/12"])
def test_a_flag_without_audio_is_stored_and_counted(desk: Desk, address: str | None) -> None:
    [outcome] = desk.stage.process([flag("a", 0, 4, address=address)])
    assert isinstance(outcome, Outcome)
    assert desk.file().evidence == ()
    assert desk.figure("evidence_missing_total") == 1


def test_an_address_with_another_utterance_gives_no_clip(desk: Desk) -> None:
    other = desk.said("other", 0, 4)
    desk.stage.process([flag("a", 0, 4, address=other.address)])
    assert desk.file().evidence == ()
    assert desk.figure("evidence_missing_total") == 1


def test_a_shorter_clip_does_not_replace_a_longer_one(desk: Desk) -> None:
    desk.stage.process([desk.said("a", 0, 8)])
    before = desk.file().evidence
    for file in desk.log.folder.iterdir():
        file.unlink()
    desk.stage.process([desk.said("b", 7.5, 12)])
    assert desk.file().evidence == before
    assert len(desk.file().flags) == 2
    assert desk.clip()[0].seconds == 8


def test_undecodable_audio_leaves_the_case_without_a_clip(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    broken = msgspec.structs.replace(utterance("a", 0, 4), data=b"no FLAC")
    desk.stage.process([flag("a", 0, 4, address=desk.log.put(broken))])
    assert desk.file().evidence == ()
    assert "utterance-a" in caplog.text
    assert "弄死你" not in caplog.text


def words_so_far(desk: Desk, seconds: float, whole: Flag) -> Flag:
    """Return the flag of the first words of an utterance, with their audio."""
    audio = utterance(whole.id, 0, seconds)
    speech = EarlyUtterance(**origin(audio), id=audio.id, end=audio.end, so_far=True, data=audio.data)
    return msgspec.structs.replace(whole, end=audio.end, address=desk.log.put_early(speech), early=True)


def test_the_clip_of_the_first_words_is_replaced_and_the_utterance_counts_once(desk: Desk) -> None:
    desk.stage._audit_share = 1.0
    whole = desk.said("a", 0, 12)
    desk.now = NOON + 3.5
    [first] = desk.stage.process([words_so_far(desk, 3, whole)])
    assert isinstance(first, Outcome)
    assert first.result == "created"
    assert desk.clip()[0].seconds == 3
    assert desk.figure("counted_seconds_total", room_type="other", result="monitored") == 0
    desk.now = NOON + 13
    [found] = desk.stage.process([whole])
    assert found == Outcome(whole.id, first.case, "updated")
    assert desk.file().flags == (whole,)
    assert desk.clip()[0].seconds == 12
    assert len(desk.clips()) == 1
    assert desk.figure("counted_seconds_total", room_type="other", result="monitored") == 12
    assert desk.figure("speech_to_flag_seconds_count") == 1
    assert desk.figure("speech_to_flag_seconds_sum") == pytest.approx(0.5)
    with desk.store._database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(OUTBOX)) == 1


def test_harmless_words_after_the_first_ones_are_no_audit_and_complete_the_clip(desk: Desk) -> None:
    desk.stage._audit_share = 1.0
    whole = desk.said("a", 0, 12)
    first = words_so_far(desk, 3, whole)
    harmless = msgspec.structs.replace(whole, suggestion="pass", flagged=(), text="a play")
    for flags in ([first], [harmless], [harmless]):
        desk.stage.process(flags)
    file = desk.file()
    assert [(one.text, one.suggestion, one.end) for one in file.flags] == [(first.text, "review", whole.end)]
    assert desk.clip()[0].seconds == 12
    assert [desk.figure("cases_total", result=each) for each in ("created", "updated", "passed", "audit")] == [
        1,
        1,
        0,
        0,
    ]
    with desk.store._database.read() as connection:
        judged = connection.scalars(select(TALLIES.c.bucket).where(TALLIES.c.measure == "judged", TALLIES.c.count > 0))
        assert list(judged) == ["review"]


def test_first_words_that_cannot_be_stored_count_as_no_failed_utterance(desk: Desk) -> None:
    bad = msgspec.structs.replace(words_so_far(desk, 3, desk.said("a", 0, 12)), text="\x00")
    [rejected] = desk.stage.process([bad])
    assert isinstance(rejected, Rejected)
    assert desk.figure("counted_seconds_total", room_type="other", result="failed") == 0


def test_it_tells_the_runner_after_each_clip_that_it_works(desk: Desk) -> None:
    clips: list[int] = []
    desk.stage.worked = lambda: clips.append(len(desk.clips()))
    desk.stage.process([desk.said(str(number), 30 * number, 30 * number + 4) for number in range(3)])
    assert clips == [1, 2, 3]


def test_the_metric_of_the_time_from_speech_to_flag(desk: Desk) -> None:
    flagged = desk.said("a", 0, 4)
    desk.now = NOON + 5.5
    desk.stage.process([flagged])
    desk.stage.process([flagged])
    assert desk.figure("speech_to_flag_seconds_count") == 1
    assert desk.figure("speech_to_flag_seconds_sum") == pytest.approx(1.5)


def test_a_tick_deletes_old_utterances(desk: Desk) -> None:
    address = desk.log.put(utterance("a", 0, 4))
    assert desk.stage.tick(NOON + 60) == []
    assert desk.log.get(address) is not None
    desk.stage.tick(NOON + 10_000)
    assert desk.log.get(address) is None


def test_the_topology_builds_the_stage_on_the_local_look_back(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    log = Lookback(tmp_path / "lookback", 3_600, 10_000_000)
    stage = build_processor(DELIVER, settings, Metrics(), log)
    said = utterance("a", 0, 4)
    stage.process([flag("a", 0, 4, address=log.put(said))])
    stage.close()
    [file] = (tmp_path / "evidence").rglob("*.ogg")
    assert len(read_bytes(file.read_bytes(), "the clip", 600)[0]) / SAMPLE_RATE == pytest.approx(4, abs=0.05)


def test_the_stage_works_with_another_log(tmp_path: Path) -> None:
    class Empty(UtteranceLog):
        def get(self, address: str) -> Utterance | None:
            return None

        def sound(self, address: str) -> Sound | None:
            return None

        def before(self, room: str, speaker: str, start: float, seconds: float, address: str) -> list[Utterance]:
            return []

        def latest(self, room: str, speaker: str | None, end: float, seconds: float) -> Iterator[list[Utterance]]:
            return iter(())

    stage = deliver_stage.build(Settings(data_dir=tmp_path), Metrics(), Empty())
    [outcome] = stage.process([flag("a", 0, 4, address="voice.utterances/0/1")])
    assert isinstance(outcome, Outcome)
    assert stage.tick(NOON) == []
    assert not (tmp_path / "lookback").exists()
    stage.close()


def test_events_that_are_dropped_are_counted(desk: Desk) -> None:
    for number in range(5):
        desk.stage.process([desk.said(f"{number}", 10 * number, 10 * number + 1)])
    assert desk.figure("events_dropped_total") == 3
