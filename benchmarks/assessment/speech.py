"""The speech of a simulated world: two weeks in several rooms, with what the judge makes of it."""

import random
from collections.abc import Iterator

from benchmarks.assessment.facts import BEGIN, DAY, HOUR, LABELS, WorldSpeech
from pipeline.contract.messages import Flag, Hit, SpeechState, SpeechStatus, Suggestion

DAYS = 14
NIGHT_HOURS = 6
ROOMS = 16
ROOM_TYPES = ("game", "karaoke", "dating", "kids")
SILENT_APP = "kids"
"""The app of these rooms is old and sends no number of listeners."""
SESSION_SPEECH = 52
"""About the number of utterances in a session of one room."""
SESSION_SECONDS = 280.0
REST = 40.0
"""So many seconds of the hour stay free after a session, so that two sessions of a room never meet."""
OVERLAP = 0.4
"""Seconds that an utterance repeats if the one before was cut at its longest duration. It is below `repeat`."""

NEW_POLICY = BEGIN + 7.3 * DAY
NEW_MODEL = BEGIN + 10.6 * DAY
NEW_ROOMS = BEGIN + 8 * DAY
"""From then on, one room has a type that is new, and people in it speak a language that is new."""
NEW_ROOM_TYPE = "podcast"
NEW_LANGUAGE = "ko"
MORE_LISTENERS = BEGIN + 7 * DAY
GROWTH = 8
"""From then on, each room has so many times more listeners."""
LAG = 900.0
"""For so many seconds after a change, some workers still use the old version."""
OVERLOAD = BEGIN + 5 * DAY + 20 * HOUR
OVERLOAD_SECONDS = 2 * HOUR
CAMPAIGNS = (BEGIN + 3 * DAY + 15 * HOUR, BEGIN + 8 * DAY + 21 * HOUR)
"""In these hours many rooms hear the same term."""
CAMPAIGN_TERM = ("加微信", "fraud")

TERMS = {label: tuple(f"term {number} of {label}" for number in range(12)) for label in LABELS}


class Talk:
    """Makes the speech of all rooms, in order of time. `utterances` is about the number of utterances."""

    def __init__(self, rng: random.Random, utterances: int) -> None:
        self._rng = rng
        self._wanted = utterances
        self._number = 0

    def speech(self) -> list[WorldSpeech]:
        """Return all utterances, in order of their start."""
        found = [one for hour, room in self._sessions() for one in self._session(hour, room)]
        return sorted(found, key=lambda one: one.start)

    def _sessions(self) -> list[tuple[float, int]]:
        """Return the hours (UTC seconds) and rooms in which people talk. At night, few do."""
        slots = [(BEGIN + hour * HOUR, room) for hour in range(DAYS * 24) for room in range(ROOMS)]
        awake = [slot for slot in slots if (slot[0] - BEGIN) / HOUR % 24 >= NIGHT_HOURS or self._rng.random() < 0.2]
        chosen = set(self._rng.sample(awake, max(1, self._wanted // SESSION_SPEECH)))
        chosen |= {(hour, room) for hour in CAMPAIGNS for room in range(6)}
        return sorted(chosen)

    def _session(self, hour: float, room: int) -> Iterator[WorldSpeech]:
        begin = hour + self._rng.uniform(0, HOUR - SESSION_SECONDS - REST)
        for person in range(self._rng.randint(1, 3)):
            at = begin + self._rng.uniform(0, 10)
            while at < begin + SESSION_SECONDS:
                first = self._utterance(at, room, f"speaker {room}-{person}", hour)
                yield first
                at = first.end
                if self._rng.random() < 0.05:
                    second = self._utterance(at - OVERLAP, room, first.speaker, hour)
                    second.end = max(second.end, second.start + 1.5)
                    self._follow(first, second)
                    yield second
                    at = second.end
                at += 1.0 + self._rng.expovariate(1 / 9)

    def _follow(self, first: WorldSpeech, second: WorldSpeech) -> None:
        """Often, a violation goes on in the utterance after a forced cut."""
        if first.violates and self._rng.random() < 0.8:
            second.violates, second.suggestion, second.flagged = first.violates, first.suggestion, first.flagged
            second.terms, second.risk = first.terms, self._rng.random()

    def _utterance(self, at: float, room: int, speaker: str, hour: float) -> WorldSpeech:
        rng, self._number = self._rng, self._number + 1
        kind = room_type(room, hour)
        made = WorldSpeech(
            number=self._number,
            room=f"room {room}",
            room_type=kind,
            speaker=speaker,
            start=at,
            end=at + min(15.0, 0.3 + rng.expovariate(1 / 3)),
            language=self._language(kind),
            confidence=round(rng.choice([rng.random(), rng.uniform(0.6, 1.0), rng.uniform(0.6, 1.0)]), 3),
            policy="default@2" if at > NEW_POLICY + rng.uniform(0, LAG) else "default@1",
            model="model-b" if at > NEW_MODEL + rng.uniform(0, LAG) else "model-a",
            marks=("low_confidence",) if rng.random() < 0.05 else (),
            verified=rng.choices([True, False, None], [80, 12, 8])[0],
            listeners=None if kind == SILENT_APP else rng.randint(0, 200) * (GROWTH if at > MORE_LISTENERS else 1),
        )
        self._judge(made, campaign=hour in CAMPAIGNS)
        made.fate = self._loss(at)
        return made

    def _language(self, kind: str) -> str:
        if kind == NEW_ROOM_TYPE and self._rng.random() < 0.8:
            return NEW_LANGUAGE
        return self._rng.choices(["zh", "en", "ja", "fr"], [600, 367, 30, 3])[0]

    def _judge(self, speech: WorldSpeech, campaign: bool) -> None:
        rng = self._rng
        if campaign and rng.random() < 0.2:
            speech.violates = CAMPAIGN_TERM[1]
        elif rng.random() < 0.035:
            speech.violates = rng.choice(LABELS)
        better = 0.05 if speech.model == "model-b" else 0.0
        wrong = 0.03 if speech.policy == "default@2" else 0.012
        if rng.random() >= (0.8 + better if speech.violates else wrong):
            return
        label = speech.violates or rng.choice(LABELS)
        other = rng.choice(LABELS)
        speech.flagged = (label, other) if rng.random() < 0.15 and other != label else (label,)
        speech.suggestion = self._suggestion()
        speech.risk = rng.random()
        term = CAMPAIGN_TERM if campaign and label == CAMPAIGN_TERM[1] else (rng.choice(TERMS[label]), label)
        speech.terms = (term,) if rng.random() < 0.7 else ()

    def _suggestion(self) -> Suggestion:
        return "block" if self._rng.random() < 0.25 else "review"

    def _loss(self, at: float) -> tuple[SpeechState, str] | None:
        overloaded = OVERLOAD <= at < OVERLOAD + OVERLOAD_SECONDS
        if overloaded and self._rng.random() < 0.4:
            return "skipped", "overload"
        drawn = self._rng.random()
        if drawn < 0.004:
            return "failed", self._rng.choice(["transcribe", "judge"])
        return ("segmented", "") if drawn < 0.006 else None


def room_type(room: int, at: float) -> str:
    """Return the type of a room at a time (UTC seconds)."""
    return NEW_ROOM_TYPE if room == ROOMS - 1 and at >= NEW_ROOMS else ROOM_TYPES[room % len(ROOM_TYPES)]


def status(speech: WorldSpeech, state: SpeechState = "segmented", reason: str = "") -> SpeechStatus:
    """Return the message about a status of an utterance."""
    return SpeechStatus(
        id=f"{state} {speech.number}",
        utterance=f"u{speech.number}",
        room=speech.room,
        room_type=speech.room_type,
        speaker=speech.speaker,
        start=speech.start,
        end=speech.end,
        listeners=speech.listeners,
        identity_verified=speech.verified,
        drill=speech.drill,
        state=state,
        reason=reason,
    )


def flag(speech: WorldSpeech) -> Flag:
    """Return the judge's message about an utterance."""
    return Flag(
        id=f"f{speech.number}",
        utterance=f"u{speech.number}",
        transcript=f"t{speech.number}",
        room=speech.room,
        room_type=speech.room_type,
        speaker=speech.speaker,
        start=speech.start,
        end=speech.end,
        text=f"words {speech.number}",
        language=speech.language,
        confidence=speech.confidence,
        suggestion=speech.suggestion,
        risk=speech.risk,
        flagged=speech.flagged,
        hits=tuple(Hit(term, label, "high", 0, 5) for term, label in speech.terms),
        marks=speech.marks,
        policy=speech.policy,
        model=speech.model,
        listeners=speech.listeners,
        identity_verified=speech.verified,
        drill=speech.drill,
    )
