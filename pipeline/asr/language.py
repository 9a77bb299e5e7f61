"""Which language an utterance is in: what the recogniser hears, and what the room has spoken so far."""

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from pipeline.asr.transcriber import LanguageChoice, most_likely

CLEAR = 0.9
"""Probability from which a language that the settings do not name is believed."""

FADING = 0.8
"""What an utterance's vote still weighs at the room's next one: a memory of about five."""

FLOOR = 1e-4
"""Whisper is too sure on short clips: no probability counts as less."""


class RoomLanguages:
    """Bayes' rule, with the room's last utterances as the prior. Forgets the room that is silent longest."""

    def __init__(self, allowed: Sequence[str], max_rooms: int = 10_000) -> None:
        self._allowed = tuple(allowed)
        self._max_rooms = max_rooms
        self._votes: OrderedDict[str, dict[str, float]] = OrderedDict()

    def chooser(self, room: str, *, voiced: bool = True) -> LanguageChoice:
        """Return a function that selects the language of the next utterance of `room` and remembers it.

        If `voiced` is false, the utterance may be music. Whisper finds a language in music, too, so it has no vote.
        """
        return lambda probabilities: self._choose(room, probabilities, voiced=voiced)

    def _choose(self, room: str, probabilities: Mapping[str, float], *, voiced: bool) -> str:
        loudest = most_likely(probabilities)
        candidates = [language for language in self._allowed if language in probabilities]
        if not candidates or (loudest not in candidates and probabilities[loudest] >= CLEAR):
            return loudest
        votes = self._votes.get(room, {})
        weights = {
            language: math.log(max(probabilities[language], FLOOR)) + math.log1p(votes.get(language, 0.0))
            for language in candidates
        }
        if voiced:
            self._remember(room, votes, probabilities, candidates)
        return most_likely(weights)

    def _remember(
        self, room: str, votes: Mapping[str, float], probabilities: Mapping[str, float], candidates: list[str]
    ) -> None:
        self._votes[room] = {
            language: FADING * votes.get(language, 0.0) + probabilities[language] for language in candidates
        }
        self._votes.move_to_end(room)
        if len(self._votes) > self._max_rooms:
            self._votes.popitem(last=False)
