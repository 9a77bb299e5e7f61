"""A simulated team of five: speech in rooms, audits of passed speech, and decisions that are sometimes wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from pipeline.contract.messages import Flag
from pipeline.review.accounts import accounts
from pipeline.review.cases import deciding
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag

TEAM = ("ida", "jon", "kim", "lou", "max")
SPEAKERS, ROOMS = 40, 13
GAP = 60.0
"""Seconds between two utterances. Cases of one speaker that touch would become one case."""


@dataclass(frozen=True, slots=True)
class Said:
    """One utterance. `label` is what is true of it; empty: it breaks no rule."""

    text: str
    label: str = ""
    suggestion: str = "pass"
    flagged: tuple[str, ...] = ()
    language: str = "en"
    room_type: str = "default"
    drill: str = ""
    answers: bool = False
    """Spoken 5 s after the utterance before it, in the same room, by someone else."""


def hire(database: Database) -> None:
    with database.write() as connection:
        for name in TEAM:
            accounts.add_account(connection, name, "moderator", NOON, "test")


def work(
    database: Database, speech: Sequence[Said], probability: float, wrong: float = 0.0, seed: int = 1
) -> dict[str, str]:
    """Store the speech, draw audits, and decide all cases but one in fifty. Return the case of each text."""
    random = Random(seed)  # noqa: S311 - a simulation
    flags = [_flag(each, at) for at, each in enumerate(speech)]
    drawn = {one.id for one in flags if one.suggestion == "pass" and random.random() < probability}
    outcomes = SqlReviewStore(database).add(flags, NOON + 1, drawn, probability)
    truth: Mapping[str, Said] = {one.id: each for one, each in zip(flags, speech, strict=True)}
    with database.write() as connection:
        for at, one in enumerate(outcomes):
            if at % 50 != 49:
                choice = _choice(truth[one.flag], random.random() < wrong)
                deciding.decide(connection, one.case, TEAM[at % len(TEAM)], choice, NOON + 2 + at)
    return {truth[one.flag].text: one.case for one in outcomes}


def _flag(said: Said, at: int) -> Flag:
    start, who = at * GAP, at % SPEAKERS
    if said.answers:
        start, who = start - GAP + 5, ((at - 1) % SPEAKERS + ROOMS) % (3 * ROOMS)
    return flag(
        f"flag-{at}",
        start,
        start + 2,
        text=said.text,
        speaker=f"speaker-{who}",
        room=f"room-{who % ROOMS}",
        room_type=said.room_type,
        language=said.language,
        suggestion=said.suggestion,
        flagged=said.flagged,
        labels=dict.fromkeys(said.flagged, 0.9),
        hits=(),
        drill=said.drill,
    )


def _choice(said: Said, wrong: bool) -> Choice:
    if bool(said.label) == wrong:
        return Choice(verdict="dismiss")
    return Choice(verdict="uphold", label=said.label or "abuse")
