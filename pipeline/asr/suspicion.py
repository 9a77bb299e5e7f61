"""Signs that a decode went wrong, so that another may do better; for both engines."""

from pipeline import languages
from pipeline.asr.guards import LOW_LOGPROB, NO_SPEECH
from pipeline.asr.hypothesis import Hypothesis

FAMILIAR = -0.3
"""Mean log-probability a token from which an adapter is believed: of what is like that which it was taught 96% are
above, of people's clips one of 17."""

CLEAR_LANGUAGE = 0.5
"""Probability of the likeliest language below which 30 s of context tell better: so for two clips of 410."""


def is_suspicious(heard: Hypothesis) -> bool:
    """Whether to decode a clip again. Silence is not suspicious: another decode would invent, too."""
    if _is_silence(heard):
        return False
    unsure = heard.avg_logprob < languages.of(heard.language).recogniser.sure_logprob
    return unsure or heard.hasty or heard.looping or heard.doubled


def is_unfamiliar(heard: Hypothesis) -> bool:
    """Whether to decode a clip again without its adapter, which knows less of the world than Whisper."""
    return heard.adapted and heard.avg_logprob < FAMILIAR and not _is_silence(heard)


def _is_silence(heard: Hypothesis) -> bool:
    return heard.no_speech > NO_SPEECH and heard.avg_logprob < LOW_LOGPROB
