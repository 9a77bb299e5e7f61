"""Which language an utterance is in: what the recogniser hears, and what the room has spoken so far."""

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from pipeline.contract.messages import EarlyUtterance, Utterance
from pipeline.speech.asr.other_language import OtherSpeech
from pipeline.speech.asr.transcriber import LanguageChoice, most_likely

FADING = 0.8
"""What an utterance's vote still weighs at the room's next one: a memory of about five."""

FLOOR = 1e-4
"""Whisper is too sure on short clips: no probability counts as less."""


class RoomLanguages:
    """Bayes' rule, with the room's last utterances as the prior. Forgets the room that is silent longest.

    An utterance is in one of the `allowed` languages, unless it is clearly speech in another one (`OtherSpeech`).
    """

    def __init__(self, allowed: Sequence[str], max_rooms: int = 10_000) -> None:
        self._allowed = tuple(allowed)
        self._max_rooms = max_rooms
        self._votes: OrderedDict[str, dict[str, float]] = OrderedDict()
        self._others = OtherSpeech(allowed)

    def chooser(self, utterance: Utterance, *, voiced: bool = True) -> LanguageChoice:
        """Return a function that selects the language of `utterance`, and remembers it for the next ones.

        If `voiced` is false, the utterance may be music. Whisper finds a language in music, too, so it has no vote.
        """
        return lambda probabilities: self._choose(utterance, probabilities, voiced=voiced)

    def guess(
        self, utterance: Utterance | EarlyUtterance, probabilities: Mapping[str, float], *, voiced: bool = True
    ) -> str:
        """The language that `utterance` would have with these probabilities. Remembers nothing."""
        candidates = [language for language in self._allowed if language in probabilities]
        if not candidates:
            return most_likely(probabilities)
        if voiced and (other := self._others.of(utterance, probabilities)):
            return other
        votes = self._votes.get(utterance.room, {})
        weights = {
            language: math.log(max(probabilities[language], FLOOR)) + math.log1p(votes.get(language, 0.0))
            for language in candidates
        }
        return most_likely(weights)

    def _choose(self, utterance: Utterance, probabilities: Mapping[str, float], *, voiced: bool) -> str:
        chosen = self.guess(utterance, probabilities, voiced=voiced)
        if voiced:
            self._others.remember(utterance, probabilities)
            if chosen in self._allowed:
                self._remember(utterance.room, probabilities)
        return chosen

    def _remember(self, room: str, probabilities: Mapping[str, float]) -> None:
        votes = self._votes.get(room, {})
        self._votes[room] = {
            language: FADING * votes.get(language, 0.0) + probabilities[language]
            for language in self._allowed
            if language in probabilities
        }
        self._votes.move_to_end(room)
        if len(self._votes) > self._max_rooms:
            self._votes.popitem(last=False)
