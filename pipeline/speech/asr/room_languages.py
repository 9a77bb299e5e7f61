"""Which language an utterance is in: what the recogniser hears, and what the room has spoken so far.

Whisper hears another language in many short, accented or noisy clips. So one clip does not decide. Each utterance in
which one language is clear is a vote of its speaker, weighted by its seconds. An utterance counts as speech in another
language if two conditions hold. The speaker's votes for that language lead by some seconds, and the utterance itself
sounds like it, too. So interjections, names and a borrowed sentence do not count.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from pipeline.base.recent_dict import RecentDict
from pipeline.contract.messages import EarlyUtterance, Utterance
from pipeline.speech.asr.recogniser import LanguageChoice, most_likely

FADING = 0.8
"""A vote is multiplied by this at each later utterance of the room. So about five utterances count."""

FLOOR = 1e-4
"""Whisper is too sure on short clips: no probability counts as less."""

CLEAR = 0.9
"""Probability of a language from which an utterance votes for it."""

LEAD = 3.0
"""Seconds by which the votes for another language must lead."""

MOST = 6.0
"""The lead goes no higher, so that a speaker may change the language."""

LIKELY = 0.5
"""Probability that an utterance itself must have of the language. Below it, Whisper hears several languages."""


class RoomLanguages:
    """Bayes' rule, with the room's last utterances as the prior. Forgets the room that is silent longest.

    An utterance is in one of the `allowed` languages, unless it is clearly speech in another one (`OtherSpeech`).
    """

    def __init__(self, allowed: Sequence[str], max_rooms: int = 10_000) -> None:
        self._allowed = tuple(allowed)
        self._votes = RecentDict[str, dict[str, float]](max_rooms)
        self._others = OtherSpeech(allowed)

    def chooser(self, utterance: Utterance, *, voiced: bool = True) -> LanguageChoice:
        """Return a function that selects the language of `utterance`, and remembers it for the next ones.

        If `voiced` is false, the utterance may be music and has no vote.
        """
        return lambda probabilities: self._choose(utterance, probabilities, voiced=voiced)

    def guess(
        self, utterance: Utterance | EarlyUtterance, probabilities: Mapping[str, float], *, voiced: bool = True
    ) -> str:
        """The language that `utterance` would have with these probabilities. Remembers nothing."""
        candidates = [language for language in self._allowed if language in probabilities]
        if not candidates:  # an English model in a room of another language
            return most_likely(probabilities)
        if voiced and (other := self._others.of(utterance, probabilities)):
            return other
        votes = self._votes.get(utterance.room, {})
        # Bayes' rule in logarithms. The prior is 1 + votes, so a language without votes stays possible.
        weights = {
            language: math.log(max(probabilities[language], FLOOR)) + math.log1p(votes.get(language, 0.0))
            for language in candidates
        }
        return most_likely(weights)

    def _choose(self, utterance: Utterance, probabilities: Mapping[str, float], *, voiced: bool) -> str:
        chosen = self.guess(utterance, probabilities, voiced=voiced)
        if voiced:  # Whisper finds a language in music, too
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


class Lead(NamedTuple):
    """The language for which a speaker's utterances have voted, and its lead in seconds."""

    language: str = ""
    """Empty: one of the languages of the settings."""
    seconds: float = 0.0


class OtherSpeech:
    """The votes of speakers in rooms whose languages are `allowed`. Forgets the speaker who is silent longest."""

    def __init__(self, allowed: Collection[str], max_speakers: int = 10_000) -> None:
        self._allowed = frozenset(allowed)
        self._leads = RecentDict[tuple[str, str], Lead](max_speakers)

    def of(self, utterance: Utterance | EarlyUtterance, probabilities: Mapping[str, float]) -> str:
        """The language of `utterance` if it is clearly another one, else an empty text. Remembers nothing."""
        language = most_likely(probabilities)
        if language in self._allowed or probabilities[language] < LIKELY:
            return ""
        lead = self._after(utterance, probabilities)
        return language if lead.language == language and lead.seconds >= LEAD else ""

    def remember(self, utterance: Utterance, probabilities: Mapping[str, float]) -> None:
        """Count the vote of `utterance`."""
        self._leads[utterance.room, utterance.speaker] = self._after(utterance, probabilities)

    def _after(self, utterance: Utterance | EarlyUtterance, probabilities: Mapping[str, float]) -> Lead:
        """The lead with the vote of `utterance`: a majority vote in one pass (Boyer and Moore 1991), by seconds."""
        lead = self._leads.get((utterance.room, utterance.speaker), Lead())
        language, seconds = most_likely(probabilities), utterance.end - utterance.start
        if probabilities[language] < CLEAR:
            return lead
        # All languages of the settings are one candidate.
        vote = "" if language in self._allowed else language
        left = lead.seconds + seconds if vote == lead.language else lead.seconds - seconds
        return Lead(lead.language, min(left, MOST)) if left >= 0 else Lead(vote, min(-left, MOST))
