"""A sequence classifier, whatever runs it: texts in, token ids through the model, one logit for each label out."""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.judge.calibration import Calibrated, Numbers
from pipeline.judge.view import view

Ids = NDArray[np.int64]

MAX_TOKENS = 128
"""An utterance is 15 s at most; longer texts come in windows."""
BATCH = 32


class SequenceClassifier(Calibrated):
    """Reads tokens, in batches of texts of about one length, so that little of a batch is padding."""

    padding = 0
    """The id of the token that fills up a batch."""

    def logits(self, texts: Sequence[str]) -> Numbers:
        found = np.zeros((len(texts), len(self.labels)))
        ids = self._encode([view(text) for text in texts]) if texts else []
        order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            found[places] = self._run(*self._padded([ids[at] for at in places]))
        return found

    def _padded(self, ids: Sequence[Sequence[int]]) -> tuple[Ids, Ids]:
        """Token ids and attention mask, both (texts, tokens)."""
        table = np.full((len(ids), max(map(len, ids))), self.padding, np.int64)
        mask = np.zeros_like(table)
        for at, row in enumerate(ids):
            table[at, : len(row)] = row
            mask[at, : len(row)] = 1
        return table, mask

    @abstractmethod
    def _encode(self, texts: Sequence[str]) -> Sequence[Sequence[int]]:
        """Token ids of each text, with the special ones, MAX_TOKENS at most."""

    @abstractmethod
    def _run(self, ids: Ids, mask: Ids) -> Numbers:
        """Logits (texts, labels) of a batch of token ids and their attention mask, both (texts, tokens)."""
