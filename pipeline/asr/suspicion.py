"""Signs that a decode went wrong, so that another may do better. All thresholds of both engines stand here."""

from collections.abc import Mapping

from pipeline.asr.guards import LOW_LOGPROB, NO_SPEECH
from pipeline.asr.hypothesis import Hypothesis

SURE: Mapping[str, float] = {"en": -0.5}
"""Mean log-probability a token from which a text is believed, by language. The near-homophones that a short context
costs lay below in a first trial; it has not been confirmed on other speech yet."""

SURE_ELSE = -1.0
"""openai-whisper's own limit. Mandarin scores lower throughout: at -0.5 most of it would be decoded twice."""

TOKENS_PER_SECOND = 8
SPARE_TOKENS = 6
"""Nobody speaks faster; who writes more is in a loop or makes it up."""


def is_suspicious(heard: Hypothesis, seconds: float) -> bool:
    """Whether to decode a clip of `seconds` again. Silence is not suspicious: another decode would invent, too."""
    if heard.no_speech > NO_SPEECH and heard.avg_logprob < LOW_LOGPROB:
        return False
    unsure = heard.avg_logprob < SURE.get(heard.language, SURE_ELSE)
    hasty = len(heard.tokens) > SPARE_TOKENS + TOKENS_PER_SECOND * seconds
    return unsure or hasty or heard.trimmed or heard.looping
