"""Word times by dynamic time warping over Whisper's cross-attention, with openai-whisper's module `timing`."""

from torch import Tensor
from whisper.audio import FRAMES_PER_SECOND
from whisper.model import Whisper
from whisper.timing import find_alignment, merge_punctuations

from pipeline.speech.asr.batch_decoding import tokenizer_of
from pipeline.speech.asr.ct2_words import OPENING
from pipeline.speech.asr.hypothesis import Hypothesis
from pipeline.speech.asr.transcriber import TimedWord

CLOSING = "\"'.。,，!！?？:：”)]}、》」"


def words_of(model: Whisper, mel: Tensor, hypothesis: Hypothesis, seconds: float) -> tuple[TimedWord, ...]:
    """The words of one decoded clip with their times. Mandarin gives one word for each token: one or two characters.

    `mel` has shape (bands, 3000). The clip is encoded a second time, so this takes about as long as transcribing it.
    """
    tokenizer = tokenizer_of(model, hypothesis.language)
    timings = find_alignment(model, tokenizer, list(hypothesis.tokens), mel, round(seconds * FRAMES_PER_SECOND))
    merge_punctuations(timings, OPENING, CLOSING)
    return tuple(
        TimedWord(text, round(float(timing.start), 2), round(float(timing.end), 2), float(timing.probability))
        for timing in timings
        if (text := timing.word.strip())
    )
