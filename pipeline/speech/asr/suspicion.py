"""Signs of a bad decode, after which another decode may be better. Both engines use them."""

from pipeline.speech import languages
from pipeline.speech.asr.guards import LOW_LOGPROB, NO_SPEECH
from pipeline.speech.asr.hypothesis import Hypothesis

CLEAR_LANGUAGE = 0.5
"""If the likeliest language has a lower probability, 30 s of context detect the language better. This concerned two of
410 clips."""


def is_suspicious(hypothesis: Hypothesis) -> bool:
    """Whether to decode a clip again.

    Silence is not suspicious. If the first decode invented words for it, another decode would also invent words.
    """
    if _is_silence(hypothesis):
        return False
    unsure = hypothesis.avg_logprob < languages.of(hypothesis.language).recogniser.sure_logprob
    return unsure or hypothesis.hasty or hypothesis.looping or hypothesis.doubled


def _is_silence(hypothesis: Hypothesis) -> bool:
    return hypothesis.no_speech > NO_SPEECH and hypothesis.avg_logprob < LOW_LOGPROB
