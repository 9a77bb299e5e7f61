"""A minimal classifier that knows a few words and gives them fixed scores."""

from collections.abc import Mapping, Sequence

from pipeline.base.metrics import Metrics
from pipeline.judge import lexicon
from pipeline.judge.judge_stage import Judge, JudgeConfig, read_config
from pipeline.judge.labels import load_labels
from pipeline.judge.matcher import Matcher
from pipeline.settings import JudgeSettings

LABELS = load_labels()


class WordClassifier:
    """A text that contains a known word gets that word's scores. Others have a risk of 0.1."""

    name = "words@1"
    labels = tuple(LABELS.labels)

    def __init__(self, known: Mapping[str, Mapping[str, float]] | None = None, context: bool = False) -> None:
        self.context = context
        self.known = dict(known or {})
        self.asked: list[str] = []

    def classify(self, texts: Sequence[str], languages: Sequence[str]) -> list[dict[str, float]]:
        assert len(texts) == len(languages)
        self.asked += texts
        return [self._score(text) for text in texts]

    def _score(self, text: str) -> dict[str, float]:
        scores = {"risk": 0.1} | dict.fromkeys(self.labels, 0.0)
        for word, found in self.known.items():
            if word in text:
                scores |= found
        return scores


def shipped_matcher() -> Matcher:
    return lexicon.compile_terms(lexicon.load_lexicons(("en", "zh"), LABELS))


def judge_of(
    known: Mapping[str, Mapping[str, float]] | None = None,
    config: JudgeConfig | None = None,
    metrics: Metrics | None = None,
    context: bool = False,
) -> Judge:
    return Judge(config or read_config(JudgeSettings()), WordClassifier(known, context), metrics or Metrics())
