"""Signs of a bad decode, after which another decode may be better. Both engines use them."""

from pipeline import languages
from pipeline.asr.guards import LOW_LOGPROB, NO_SPEECH
from pipeline.asr.hypothesis import Hypothesis

FAMILIAR = -0.3
"""The lowest mean log-probability per token at which an adapter's text is accepted. 96% of clips that are like the
adapter's training data are above, but only one of 17 clips of real people."""

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


def is_unfamiliar(hypothesis: Hypothesis) -> bool:
    """Whether to decode a clip again without the adapter, because the clip differs from the adapter's training data."""
    return hypothesis.adapted and hypothesis.avg_logprob < FAMILIAR and not _is_silence(hypothesis)


def _is_silence(hypothesis: Hypothesis) -> bool:
    return hypothesis.no_speech > NO_SPEECH and hypothesis.avg_logprob < LOW_LOGPROB
