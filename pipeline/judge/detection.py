"""Runs the classifier and the lexicon matcher on transcripts, before any policy decides.

A transcript is scored from all its readings: the text and the recogniser's alternatives. If the text has a misheard
word, another reading often has it right. The score is the weighted mean of the readings' logits; a likelier reading
weighs more.

If the classifier was trained for it, an utterance is also scored with the speech before it: a threat may be cut in two
by a pause, and an answer may only be risky as an answer. Reading costs time, so an utterance is only read again if its
own score is not very low or very high.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.contract.messages import Transcript
from pipeline.judge.classifier import Classifier
from pipeline.judge.classifier_text import with_context
from pipeline.judge.conversations import SpeechBefore
from pipeline.judge.matcher import Match, Matcher
from pipeline.speech.languages.writing_systems import SINGLE, UNSPACED

WINDOW = {True: 110, False: 400}
"""Characters in about 120 tokens, by whether the text has a script without spaces. Utterances are rarely longer."""
LEAST_STRETCH = 3
"""The fewest words, or letters of a script without spaces, that are read alone in a text of two scripts. Names of
brands and single English words belong to the Chinese sentence around them.
"""
_WORD = rf"[^\W\d_{SINGLE}]+"
# A word begins where no letter stands before it. Without this rule, a long word would take quadratic time.
WORDS = re.compile(rf"((?<![^\W\d_{SINGLE}]){_WORD}(?:[\W\d_]+{_WORD}){{{LEAST_STRETCH - 1},}})")
"""A stretch of words in a script with spaces."""
OVERLAP = 0.2  # of a window, so that words at its edge are also read together with their neighbours
SURE = 1e-6
"""Probabilities are clipped to this distance from 0 and 1, where logits are infinite."""
LEAST_PROBABILITY = 1e-6
"""The lowest token probability that is used."""
NEARBY = {True: 10, False: 30}
"""Characters on each side of a term that say how it is meant, by whether the text has a script without spaces. More
would let an attacker hide an insult among harmless sentences, which lower the risk of the whole text.
"""
TOKENS = 4
"""A reading's weight is its token probability to this power. Recognisers give the mean probability of a token, which is
nearly equal for all readings. Powers of 2 to 9 rank misheard Mandarin better than 1. Using only the likeliest reading
ranks worse.
"""
LEAST_RISK = 0.2
"""The lowest `risk` of an utterance that is read in context. The second half of a threat that a pause cuts in two has
often little risk of its own. With 0, every utterance would be read twice.
"""
MOST_RISK = 0.985
"""At this `risk`, the utterance speaks for itself."""
Scores = Mapping[str, float]


def score_windows(classifier: Classifier, texts: Sequence[str], languages: Sequence[str]) -> list[dict[str, float]]:
    """Each text's probability of each label and `risk`: the highest of its windows; empty for a blank text."""
    pieces = [(place, piece) for place, text in enumerate(texts) for piece in _pieces(with_context(text))]
    found: list[dict[str, float]] = [{} for _ in texts]
    if pieces:
        scores = classifier.classify([piece for _, piece in pieces], [languages[place] for place, _ in pieces])
        for (place, _), score in zip(pieces, scores, strict=True):
            found[place] = highest(found[place], score)
    return found


def _pieces(text: str) -> list[str]:
    """The windows of a text. In a text of two scripts, also those of each script.

    A harmless sentence lowers the risk of the whole text, and a speaker may say it in another language.
    """
    return [window for part in (text, *by_script(text)) for window in windows(part)]


def by_script(text: str) -> list[str]:
    """The words of scripts with spaces as one text, and the rest as another. Empty if one of the two is too short.

    So a text is read at most twice more, however often its script changes.
    """
    parts = WORDS.split(text) if UNSPACED.search(text) else [text]
    rest, words = " ".join(parts[::2]).strip(), " ".join(parts[1::2])
    return [words, rest] if words and len(UNSPACED.findall(rest)) >= LEAST_STRETCH else []


def windows(text: str) -> list[str]:
    """`text` in overlapping pieces. A short text is one piece; a blank one has none."""
    if not text.strip():
        return []
    width = WINDOW[UNSPACED.search(text) is not None]
    step = int(width * (1 - OVERLAP))
    # The last window always reaches the end.
    return [text[start : start + width] for start in range(0, max(1, len(text) - width + step), step)]


def highest(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {label: max(one.get(label, 0.0), other.get(label, 0.0)) for label in {**one, **other}}


def score_readings(classifier: Classifier, batch: Sequence[Transcript]) -> list[dict[str, float]]:
    """The probability of each label and of `risk` for each transcript; empty for a blank text."""
    readings = [readings_of(transcript) for transcript in batch]
    texts = [text for found in readings for text in found]
    languages = [transcript.language for transcript, found in zip(batch, readings, strict=True) for _ in found]
    scores = iter(score_windows(classifier, texts, languages))
    return [mean([next(scores) for _ in found], [*found.values()]) for found in readings]


def readings_of(transcript: Transcript) -> dict[str, float]:
    """Each different reading with its weight. A blank text has none, because a moderator could not see the reading."""
    found = {transcript.text: _weight(transcript.confidence)}
    if transcript.text.strip():
        for other in transcript.alternatives:
            if other.text.strip():
                # A score is a mean log-probability per token.
                found[other.text] = found.get(other.text, 0.0) + _weight(math.exp(min(other.score, 0.0)))
    return found


def _weight(probability: float) -> float:
    """The weight of a reading with this mean token probability."""
    return max(probability, LEAST_PROBABILITY) ** TOKENS


def mean(scores: Sequence[Mapping[str, float]], weights: Sequence[float]) -> dict[str, float]:
    """The weighted mean of logits, as probabilities. The scores of a single reading do not change."""
    if len(scores) == 1:
        return dict(scores[0])
    total = sum(weights)
    return {
        label: _probability(sum(w * _logit(s[label]) for s, w in zip(scores, weights, strict=True)) / total)
        for label in scores[0]
    }


def _logit(probability: float) -> float:
    held = min(max(probability, SURE), 1 - SURE)
    return math.log(held / (1 - held))


def _probability(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def score_in_context(
    classifier: Classifier, batch: Sequence[Transcript], before: Sequence[SpeechBefore], alone: Sequence[Scores]
) -> list[Scores]:
    """Scores of each utterance in its context; empty if it is only scored alone.

    Only the first reading is scored. The recogniser's alternatives have the same context.
    """
    found: list[Scores] = [{} for _ in batch]
    if not classifier.context:
        return found
    places = [at for at, each in enumerate(zip(batch, before, alone, strict=True)) if _is_worth(*each)]
    texts = [with_context(batch[at].text, before[at].own_text, before[at].room_text) for at in places]
    languages = [batch[at].language for at in places]
    for at, scores in zip(places, classifier.classify(texts, languages), strict=True):
        found[at] = scores
    return found


def _is_worth(transcript: Transcript, before: SpeechBefore, alone: Scores) -> bool:
    """Whether to score an utterance in its context."""
    # A text of several windows has its context in itself.
    likely = LEAST_RISK <= alone.get("risk", 0.0) < MOST_RISK
    return likely and bool(before.own or before.others) and len(windows(with_context(transcript.text))) == 1


@dataclass(frozen=True, slots=True)
class Detection:
    """The classifier's scores and the lexicon matches of one transcript."""

    scores: Mapping[str, float]
    matches: Sequence[Match]
    in_context: Mapping[str, float] = field(default_factory=dict)
    """The scores together with the speech before it; empty if it was only scored alone."""
    before: SpeechBefore | None = None
    """The speech before it."""


class Terms:
    """The terms of lexicons, where the classifier does not overrule them."""

    def __init__(self, matcher: Matcher, classifier: Classifier) -> None:
        self._matcher, self._classifier = matcher, classifier

    def find(self, batch: Sequence[Transcript]) -> list[list[Match]]:
        """The matches in each displayed text that count."""
        found = [self._matcher.find(transcript.text) for transcript in batch]
        asked = [(at, match) for at, each in enumerate(found) for match in each if match.overruled_below]
        around = [_nearby(batch[at].text, match) for at, match in asked]
        scores = score_windows(self._classifier, around, [batch[at].language for at, _ in asked])
        for (at, match), score in zip(asked, scores, strict=True):
            if score.get("risk", 1.0) < match.overruled_below:
                found[at].remove(match)
        return found


def _nearby(text: str, match: Match) -> str:
    """The match and the words around it. Words at the ends stay whole."""
    unspaced = UNSPACED.search(text) is not None
    start, end = max(0, match.start - NEARBY[unspaced]), match.end + NEARBY[unspaced]
    if not unspaced:
        start, end = text.rfind(" ", 0, start) + 1, end + len(text[end:].partition(" ")[0])
    return text[start:end]


class Detector:
    """Classifier and lexicons. The classifier scores every reading; the lexicons search the displayed text only."""

    def __init__(self, classifier: Classifier, matcher: Matcher) -> None:
        self._classifier = classifier
        self._terms = Terms(matcher, classifier)
        self.model = classifier.name

    def detect(self, batch: Sequence[Transcript], before: Sequence[SpeechBefore]) -> list[Detection]:
        """One detection for each transcript, in order. `before` is the speech before each of them."""
        alone = score_readings(self._classifier, batch)
        both = score_in_context(self._classifier, batch, before, alone)
        return [*map(Detection, alone, self._terms.find(batch), both, before)]
