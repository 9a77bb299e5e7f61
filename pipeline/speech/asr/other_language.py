"""Finds clear speech in a language that the settings do not name.

Whisper hears another language in many a short, accented or noisy clip. So one clip does not decide. Each speaker's last
utterances vote, by their seconds: those in which one language is clear. An utterance counts as speech in another
language if its speaker's vote is for that language, with a lead of some seconds, and the utterance itself sounds like
it, too. So interjections, names and a borrowed sentence do not count.
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import NamedTuple

from pipeline.contract.messages import EarlyUtterance, Utterance
from pipeline.speech.asr.transcriber import most_likely

CLEAR = 0.9
"""Probability of a language from which an utterance votes for it."""

LEAD = 3.0
"""Seconds by which the votes for another language must lead."""

MOST = 6.0
"""The lead goes no higher, so that a speaker may change the language."""

LIKELY = 0.5
"""Probability that an utterance itself must have of the language. Below it, Whisper hears several languages."""


class Lead(NamedTuple):
    """The language for which a speaker's utterances have voted, and its lead in seconds."""

    language: str = ""
    """Empty: one of the languages of the settings."""
    seconds: float = 0.0


class OtherSpeech:
    """The votes of speakers in rooms whose languages are `allowed`. Forgets the speaker who is silent longest."""

    def __init__(self, allowed: Collection[str], max_speakers: int = 10_000) -> None:
        self._allowed = frozenset(allowed)
        self._max_speakers = max_speakers
        self._leads: OrderedDict[tuple[str, str], Lead] = OrderedDict()

    def of(self, utterance: Utterance | EarlyUtterance, probabilities: Mapping[str, float]) -> str:
        """The language of `utterance` if it is clearly another one, else an empty text. Remembers nothing."""
        language = most_likely(probabilities)
        if language in self._allowed or probabilities[language] < LIKELY:
            return ""
        lead = self._after(utterance, probabilities)
        return language if lead.language == language and lead.seconds >= LEAD else ""

    def remember(self, utterance: Utterance, probabilities: Mapping[str, float]) -> None:
        """Count the vote of `utterance`."""
        key = (utterance.room, utterance.speaker)
        self._leads[key] = self._after(utterance, probabilities)
        self._leads.move_to_end(key)
        if len(self._leads) > self._max_speakers:
            self._leads.popitem(last=False)

    def _after(self, utterance: Utterance | EarlyUtterance, probabilities: Mapping[str, float]) -> Lead:
        """The lead with the vote of `utterance`: a majority vote in one pass (Boyer and Moore 1991), by seconds."""
        lead = self._leads.get((utterance.room, utterance.speaker), Lead())
        language, seconds = most_likely(probabilities), utterance.end - utterance.start
        if probabilities[language] < CLEAR:
            return lead
        vote = "" if language in self._allowed else language
        left = lead.seconds + seconds if vote == lead.language else lead.seconds - seconds
        return Lead(lead.language, min(left, MOST)) if left >= 0 else Lead(vote, min(-left, MOST))
