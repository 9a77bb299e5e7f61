"""The baseline's own tokenizer: WordPiece for Latin words; a token for each Han character.

A misheard character then costs one token, where a piece of several would be lost whole.
"""

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
MAX_TOKENS = 128


def train_tokenizer(texts: Iterable[str], size: int) -> PreTrainedTokenizerFast:
    """At most `size` pieces, of those that occur three times or more in `texts`.

    The trainer goes by a hash table: its numbers for them are put in order here, but which of two equally common
    pieces it takes differs from run to run.
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token=SPECIAL["unk_token"]))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.BertPreTokenizer(),
            pre_tokenizers.Split(Regex("[㐀-鿿]"), "isolated"),
            pre_tokenizers.Digits(individual_digits=True),
        ]
    )
    special = list(SPECIAL.values())
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, min_frequency=3, special_tokens=special, limit_alphabet=6_000, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    pieces = [*special, *sorted(tokenizer.get_vocab().keys() - set(special))]
    tokenizer.model = models.WordPiece({piece: at for at, piece in enumerate(pieces)}, unk_token=SPECIAL["unk_token"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=MAX_TOKENS, **SPECIAL)
