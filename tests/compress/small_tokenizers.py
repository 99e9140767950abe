"""Small tokenizers of every kind and setting that is served without the library, and of others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_WORDS = (
    *("please", "card", "cards", "transfer", "transferred", "money", "wallet", "don't", "it's"),
    *("I'm", "Top-up", "top", "upload", "PIN", "1,000.50", "2024", "why?", "exchange", "rate"),
    *("café", "naïve", "über", "£5", "€10", "hello", "world", "account", "accounting", "a", "the"),
)


def _corpus() -> Iterator[str]:
    for place in range(400):
        yield " ".join(_WORDS[(place * step) % len(_WORDS)] for step in (1, 3, 7, 11, 13))
    yield " ".join(map(chr, range(0x21, 0x7F)))


def _wordpiece(**normalizer: Any) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    made = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = normalizers.BertNormalizer(**normalizer)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=list(SPECIAL), show_progress=False
    )
    made.train_from_iterator(_corpus(), trainer)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return made


def _wordpiece_with(change: Callable[[Any], object]) -> Callable[[], Any]:
    def make() -> Any:
        made = _wordpiece(lowercase=True)
        change(made)
        return made

    return make


def _typed(made: Any) -> None:
    from tokenizers import processors

    made.post_processor = processors.TemplateProcessing(
        single="[CLS]:1 [MASK]:0 $A:2 [SEP]:3",
        special_tokens=[("[CLS]", 2), ("[MASK]", 4), ("[SEP]", 3)],
    )


def _bert_processing(made: Any) -> None:
    from tokenizers import processors

    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))


def _bare(made: Any) -> None:
    from tokenizers import processors

    made.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])


def _short_words(made: Any) -> None:
    made.model.max_input_chars_per_word = 5


def _added(made: Any) -> None:
    from tokenizers import AddedToken

    made.add_tokens([AddedToken("wallet", normalized=True), AddedToken("PIN", normalized=False)])
    made.add_tokens([AddedToken("<Name>", normalized=True, lstrip=True, single_word=True)])
    made.add_tokens([AddedToken("ÉÉ", normalized=True), AddedToken("漢", normalized=False)])


def _bpe(*, prefix_space: bool = False, ignore_merges: bool = False) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    made = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(_corpus(), trainer)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return made


def _unigram(scheme: str = "always", *, spaces: bool = False, lower: bool = False) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    made = Tokenizer(models.Unigram())
    steps = [normalizers.NFKC(), *([normalizers.Lowercase()] if lower else [])]
    made.normalizer = normalizers.Sequence(steps)
    mark = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    made.pre_tokenizer = (
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), mark]) if spaces else mark
    )
    trainer = trainers.UnigramTrainer(
        vocab_size=250,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    made.train_from_iterator(_corpus(), trainer)
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return made


SERVED: dict[str, Callable[[], Any]] = {
    "wordpiece, uncased": lambda: _wordpiece(lowercase=True),
    "wordpiece, cased": lambda: _wordpiece(lowercase=False),
    "wordpiece, cased, accents stripped": lambda: _wordpiece(lowercase=False, strip_accents=True),
    "wordpiece, uncased, accents kept": lambda: _wordpiece(lowercase=True, strip_accents=False),
    "wordpiece, text not cleaned": lambda: _wordpiece(clean_text=False, lowercase=True),
    "wordpiece, several types": _wordpiece_with(_typed),
    "wordpiece, BertProcessing": _wordpiece_with(_bert_processing),
    "wordpiece, no special tokens": _wordpiece_with(_bare),
    "wordpiece, words of 5 characters": _wordpiece_with(_short_words),
    "wordpiece, added tokens": _wordpiece_with(_added),
    "bpe": _bpe,
    "bpe, a space put first": lambda: _bpe(prefix_space=True),
    "bpe, merges ignored": lambda: _bpe(ignore_merges=True),
    "unigram": _unigram,
    "unigram, the first word marked": lambda: _unigram("first"),
    "unigram, split at spaces": lambda: _unigram(spaces=True),
    "unigram, lower case": lambda: _unigram(lower=True),
}
"""Each is encoded without the library, for ASCII texts."""


def _changed(kind: Callable[[], Any], change: Callable[[Any], object]) -> Callable[[], Any]:
    def make() -> Any:
        made = kind()
        change(made)
        return made

    return make


def _set(part: str, make: Callable[[], Any]) -> Callable[[Any], object]:
    return lambda tokenizer: setattr(tokenizer, part, make())


def _pre(name: str, **settings: Any) -> Callable[[], Any]:
    def make() -> Any:
        from tokenizers import pre_tokenizers

        return getattr(pre_tokenizers, name)(**settings)

    return make


def _normalizer(name: str, *settings: Any) -> Callable[[], Any]:
    def make() -> Any:
        from tokenizers import normalizers

        return getattr(normalizers, name)(*settings)

    return make


UNSERVED: dict[str, Callable[[], Any]] = {
    "wordpiece, another pre-tokenizer": _changed(
        SERVED["wordpiece, uncased"], _set("pre_tokenizer", _pre("Whitespace"))
    ),
    "wordpiece, letters replaced": _changed(
        SERVED["wordpiece, uncased"], _set("normalizer", _normalizer("Replace", "a", "b"))
    ),
    "bpe, no split": _changed(
        _bpe, _set("pre_tokenizer", _pre("ByteLevel", use_regex=False, add_prefix_space=False))
    ),
    "bpe, dropout": _changed(_bpe, lambda made: setattr(made.model, "dropout", 0.5)),
    "unigram, no mark": _changed(
        _unigram, _set("pre_tokenizer", _pre("Metaspace", prepend_scheme="never"))
    ),
    "unigram, not split": _changed(_unigram, _set("pre_tokenizer", _pre("Metaspace", split=False))),
    "unigram, a space put before": _changed(
        _unigram, _set("normalizer", _normalizer("Prepend", "▁"))
    ),
}
"""Each is left to the library: its rules for ASCII texts are not known."""


def write_tokenizer(folder: Path, make: Callable[[], Any]) -> Path:
    """Write a tokenizer.json and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    make().save(str(folder / "tokenizer.json"))
    return folder
