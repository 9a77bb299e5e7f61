"""The `ctranslate2` engine: int8 on the CPU, with the words of Whisper's vocabulary.

A word lasts from the position of its first token to the position of the next word.
"""

import ctypes
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from ctranslate2.models import Whisper as Model
from tokenizers import Tokenizer

from pipeline.base.cpu_cores import cores
from pipeline.base.errors import ConfigError, DependencyError, WeightsCorrupt
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.settings import Asr
from pipeline.speech.asr import whisper_adapter, whisper_weights
from pipeline.speech.asr.hypothesis import SECONDS_PER_TIMESTAMP, Hypothesis, SpecialTokens, legible, spoken
from pipeline.speech.asr.recogniser import Clip, Recogniser, TimedWord, check_languages
from pipeline.speech.asr.whisper_adapter import Adapter, fitting
from pipeline.speech.asr.whisper_input import (
    LIMITS,
    LONGEST,
    POSITIONS_PER_SECOND,
    SILENCE,
    Mel,
    as_trained,
    budget,
    last_timestamp,
    mel_seconds,
)
from pipeline.speech.asr.whisper_recogniser import FEW, BeamSearch, Encoding, WhisperRecogniser
from pipeline.speech.languages.writing_systems import OPENING, TOKEN, UNSPACED, tokens_of

NO_TIMESTAMPS = "<|notimestamps|>"

CountedWord = tuple[str, int]
"""The text of a word with the space before it, and its number of tokens."""


class Vocabulary:
    """The vocabulary of one model, from the `tokenizer.json` beside its weights. Raises ValueError if it is invalid."""

    def __init__(self, tokenizer: bytes, *, multilingual: bool) -> None:
        try:
            self._tokenizer = Tokenizer.from_str(tokenizer.decode())
        except Exception as error:  # the library raises plain Exception
            raise ValueError(f"tokenizer.json: {error}") from error
        self._multilingual = multilingual
        self.no_timestamps = self._id(NO_TIMESTAMPS)
        self.marks = SpecialTokens(self._id("<|endoftext|>"), self.no_timestamps + 1)

    def knows(self, language: str) -> bool:
        """Whether the model has a token for `language` (a code, for example zh)."""
        return self._tokenizer.token_to_id(f"<|{language}|>") is not None

    def prompt(self, language: str) -> list[int]:
        """The token ids that precede the decoder's text."""
        start = [self._id("<|startoftranscript|>")]
        return [*start, self._id(f"<|{language}|>"), self._id("<|transcribe|>")] if self._multilingual else start

    def text(self, tokens: Sequence[int]) -> str:
        """The text of `tokens`, without space at its start and end."""
        text: str = self._tokenizer.decode(list(tokens))
        return text.strip()

    def words(self, tokens: Sequence[int]) -> list[CountedWord]:
        """The words of `tokens`, each with its number of tokens."""
        return join_pieces(self._pieces(tokens))

    def _pieces(self, tokens: Sequence[int]) -> Iterator[CountedWord]:
        """The text of tokens. Tokens that are parts of the same UTF-8 character are decoded together."""
        part: list[int] = []
        for token in tokens:
            part.append(token)
            text: str = self._tokenizer.decode(part)
            if not text.endswith("\N{REPLACEMENT CHARACTER}"):
                yield text, len(part)
                part = []

    def _id(self, token: str) -> int:
        found: int | None = self._tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"the vocabulary has no {token}")
        return found


def join_pieces(pieces: Iterable[CountedWord]) -> list[CountedWord]:
    """Join `pieces` (whole characters) to words. A word begins at a space, or beside a letter of an unspaced script."""
    words: list[CountedWord] = []
    for text, count in pieces:
        if words and not _begins(text, words[-1][0]):
            words[-1] = (words[-1][0] + text, words[-1][1] + count)
        else:
            words.append((text, count))
    return words


def time_words(
    words: Sequence[CountedWord], path: Sequence[tuple[int, int]], probabilities: Sequence[float], seconds: float
) -> tuple[TimedWord, ...]:
    """Compute the times of `words` in a clip of `seconds`.

    `path` has pairs of token index and encoder position, in order. `probabilities` has one value per token.
    """
    # Reversed, so that the first position of a token is kept. The last word ends with the clip.
    starts = {token: position * SECONDS_PER_TIMESTAMP for token, position in reversed(path)}
    found, at = [], 0
    for text, count in words:
        start, end = (min(starts.get(token, seconds), seconds) for token in (at, at + count))
        mean = sum(probabilities[at : at + count]) / count
        found.append(TimedWord(text.strip(), round(start, 2), round(end, 2), min(mean, 1.0)))
        at += count
    return tuple(word for word in found if word.text)


def _begins(text: str, before: str) -> bool:
    if before.strip() in OPENING:
        return False
    if text.strip() in OPENING:
        return text.startswith(" ")
    first, last = TOKEN.search(text), [token[0][-1] for token in tokens_of(before)][-1:]
    return first is not None and (text.startswith(" ") or any(map(UNSPACED.match, (first[0], *last))))


CPUINFO = Path("/proc/cpuinfo")

COOL = "avx512_bf16"
"""CPUs with this flag run AVX-512 at full clock speed. But CTranslate2 4.8 selects AVX2 (seen on a 2024 EPYC)."""

MALLOPT = {-8: 1, -4: 0, -1: 1 << 30, -2: 64 << 20}
"""M_ARENA_MAX and M_MMAP_MAX of glibc's malloc.h, then M_TRIM_THRESHOLD and M_TOP_PAD in bytes. The model allocates and
frees tens of megabytes per layer or token. By default the kernel must clear this memory each time. With an arena for
each thread, a block of more than 64 MB (the attention of 30 s) would still be mapped."""


TIMESTAMPS = 1500
"""Timestamp tokens after the first: 30 s in steps of 20 ms."""


def load_engine(asr: Asr) -> Recogniser:
    """Find and load the weights, and warm up the model. Raises WeightsMissing, WeightsCorrupt or ConfigError."""
    found = whisper_weights.find_weights(asr)
    adapters = whisper_adapter.shipped_adapters(asr, found)
    network = network_of(asr, found, adapters)
    check_languages(asr, network.vocabulary.knows, multilingual=network.model.is_multilingual)
    engine = WhisperRecogniser(
        network, whisper_adapter.recogniser_name("ctranslate2", found, adapters), asr.batch, asr.chinese
    )
    engine.transcribe([Clip(np.zeros(SAMPLE_RATE, np.float32), asr.language)])
    return engine


class CTranslate2:
    """Implements `WhisperNetwork`: one model in memory, and one more for each language with an adapter.

    Each worker has one thread. By default there is one worker per core.
    """

    encodes = 1
    batch = FEW

    def __init__(self, model: Model, vocabulary: Vocabulary, adapted: Mapping[str, Model]) -> None:
        self.model = model
        self._adapted = adapted
        self.vocabulary = vocabulary
        self.bands: int = model.n_mels
        self.workers: int = model.num_workers
        silence = np.full((self.bands, LONGEST), SILENCE, np.float32)
        self._silence = self._encode(silence, "")

    def encode(self, mels: Sequence[Mel], language: str = "") -> list[Encoding]:
        """See `WhisperNetwork`. A batch would not be faster, and its clips would need the same length."""
        return [self._encode(mel, language) for mel in mels]

    def _encode(self, mel: Mel, language: str) -> Encoding:
        model = fitting(self.model, self._adapted, language, mel_seconds(mel))
        # `to_cpu`, because encodings are padded and batched in NumPy.
        encoded = self._guarded(model.encode, ctranslate2.StorageView.from_array(mel[None]), to_cpu=True)
        return np.asarray(encoded)[0]

    def _padded(self, encodings: Sequence[Encoding], seconds: float) -> Any:
        """A batch of encodings, each padded to `seconds` with the encoding of silence at the same positions."""
        positions = round(seconds * POSITIONS_PER_SECOND)
        rows = [np.concatenate([one, self._silence[len(one) : positions]]) for one in encodings]
        return ctranslate2.StorageView.from_array(np.stack(rows))

    def languages(self, encodings: Sequence[Encoding], limit: float) -> list[Mapping[str, float]]:
        """See `WhisperNetwork`. It takes about as long as one decoder step."""
        if not self.model.is_multilingual:
            return [{"en": 1.0} for _ in encodings]
        found = self._guarded(self.model.detect_language, self._padded(encodings, limit))
        return [{token[2:-2]: probability for token, probability in row} for row in found]

    def adapts(self, language: str, limit: float) -> bool:
        return fitting(self.model, self._adapted, language, limit) is not self.model

    def decode(
        self,
        encodings: Sequence[Encoding],
        language: str,
        lengths: Sequence[float],
        limit: float,
        how: BeamSearch,
    ) -> list[list[Hypothesis]]:
        model = fitting(self.model, self._adapted, language if how.adapted else "", limit)
        results = self._guarded(
            model.generate,
            self._padded(encodings, limit),
            [self.vocabulary.prompt(language)] * len(encodings),
            beam_size=how.beam,
            num_hypotheses=how.beam,  # the judge also reads the other hypotheses
            no_repeat_ngram_size=how.no_repeat,
            max_length=2 * budget(limit),  # CTranslate2 uses half of it
            suppress_tokens=self._suppressed(limit),
            return_scores=True,
            return_no_speech_prob=True,
        )
        return [
            self._hypotheses(each, language, length, how.adapted) for each, length in zip(results, lengths, strict=True)
        ]

    def _hypotheses(self, result: Any, language: str, seconds: float, adapted: bool) -> list[Hypothesis]:
        found = []
        for tokens, score in zip(result.sequences_ids, result.scores, strict=True):
            said, end = spoken(tokens, self.vocabulary.marks, seconds)
            kept, text = legible(said, self.vocabulary.text)
            found.append(Hypothesis(language, kept, text, score, result.no_speech_prob, seconds, adapted, end))
        return found

    @staticmethod
    def _guarded(work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return work(*arguments, **options)
        except RuntimeError as error:
            if "out of memory" not in str(error):  # CTranslate2 has no error class for it
                raise
            raise DependencyError("The device is out of memory", "Lower asr.batch, or use a smaller model.") from error

    def _suppressed(self, limit: float) -> list[int]:
        """Ids of suppressed tokens: the model's own list (-1), `<|notimestamps|>`, and the times after the end."""
        first = self.vocabulary.marks.timestamps
        return [-1, self.vocabulary.no_timestamps, *range(first + last_timestamp(limit) + 1, first + TIMESTAMPS + 1)]

    def words(self, mel: Mel, hypothesis: Hypothesis, seconds: float) -> tuple[TimedWord, ...]:
        """See `WhisperNetwork`. Encodes the clip again, padded to 30 s, with which the alignment heads were trained."""
        if not hypothesis.tokens:
            return ()
        encoding = self._encode(as_trained(mel, LIMITS[-1]), "")
        (aligned,) = self.model.align(
            ctranslate2.StorageView.from_array(encoding[None]),
            self.vocabulary.prompt(hypothesis.language),
            [list(hypothesis.tokens)],
            mel.shape[1],
        )
        return time_words(
            self.vocabulary.words(hypothesis.tokens), aligned.alignments, aligned.text_token_probs, seconds
        )


def network_of(asr: Asr, found: whisper_weights.WhisperWeights, adapters: Sequence[Adapter] = ()) -> CTranslate2:
    """Load the weights `found`. Raises WeightsCorrupt if they are not a Whisper model that CTranslate2 can run.

    Raises ConfigError for an openai-whisper checkpoint.
    """
    if found.kind != "ctranslate2":
        raise ConfigError(
            f"asr.engine: ctranslate2 cannot read the checkpoint {found.name}.pt",
            "Set asr.engine=openai-whisper, or convert it (ct2-transformers-converter) and name the folder.",
        )
    files = {file: found.read(file) for file in found.files}
    prepare_cpu()
    try:
        model = _model(asr, found.name, files)
        adapted = {
            each.language: _model(asr, found.name, files | {"model.bin": each.added_to(files["model.bin"])})
            for each in adapters
        }
        vocabulary = Vocabulary(files["tokenizer.json"], multilingual=model.is_multilingual)
    except (RuntimeError, ValueError, KeyError) as error:
        raise WeightsCorrupt(
            f"No Whisper model can be read from the weights {found.name!r}: {error}",
            "CTranslate2 needs model.bin, config.json, tokenizer.json and a vocabulary in one folder.",
        ) from error
    return CTranslate2(model, vocabulary, adapted)


def _model(asr: Asr, name: str, files: Mapping[str, bytes]) -> Model:
    return Model(
        name,
        "cpu",
        compute_type="int8",
        inter_threads=asr.workers or cores(),
        intra_threads=1,
        files=files,  # as bytes: packages split model.bin, and adapters change it
    )


def prepare_cpu() -> None:
    """Set what CTranslate2 does not choose itself, which makes it a sixth faster.

    Call it before the first model is loaded: CTranslate2 reads its variable only once.
    """
    if CPUINFO.exists() and COOL in CPUINFO.read_text():
        # `setdefault`: an operator's own choice stays.
        os.environ.setdefault("CT2_FORCE_CPU_ISA", "AVX512")
    keep_memory()


def keep_memory() -> None:
    """Let the process keep up to 1 GiB of free memory. Does nothing unless the C library is glibc."""
    # `CDLL(None)` has the functions of the C library that this process uses. musl has no mallopt.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        for option, value in MALLOPT.items():
            mallopt(option, value)
