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

    def guess(self, room: str, probabilities: Mapping[str, float]) -> str:
        """The language that the next utterance of `room` would have with these probabilities. Remembers nothing."""
        candidates = self._candidates(probabilities)
        if not candidates:
            return most_likely(probabilities)
        votes = self._votes.get(room, {})
        weights = {
            language: math.log(max(probabilities[language], FLOOR)) + math.log1p(votes.get(language, 0.0))
            for language in candidates
        }
        return most_likely(weights)

    def _choose(self, room: str, probabilities: Mapping[str, float], *, voiced: bool) -> str:
        chosen = self.guess(room, probabilities)
        if voiced:
            self._remember(room, probabilities)
        return chosen

    def _candidates(self, probabilities: Mapping[str, float]) -> Sequence[str]:
        """The languages of the settings. None if another language is clear."""
        loudest = most_likely(probabilities)
        found = [language for language in self._allowed if language in probabilities]
        return found if loudest in found or probabilities[loudest] < CLEAR else ()

    def _remember(self, room: str, probabilities: Mapping[str, float]) -> None:
        candidates, votes = self._candidates(probabilities), self._votes.get(room, {})
        if not candidates:
            return
        self._votes[room] = {
            language: FADING * votes.get(language, 0.0) + probabilities[language] for language in candidates
        }
        self._votes.move_to_end(room)
        if len(self._votes) > self._max_rooms:
            self._votes.popitem(last=False)
