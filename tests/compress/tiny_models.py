"""Tiny models of every architecture, with real tokenizers, and a text set that they can learn."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress.data.dataset import Dataset
from compress.data.rows import Rows
from compress.models.torch_model import model_inputs, quiet_transformers
from runtimes.artifact import Artifact, write_artifact
from runtimes.digest import stable_hash
from runtimes.runtime import TensorSpec
from tests.compress.text_models import load_model

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LABELS = ("a", "b", "c")
MODEL_TYPES = (
    "bert",
    "distilbert",
    "roberta",
    "xlm-roberta",
    "electra",
    "mpnet",
    "deberta-v2",
    "modernbert",
    "albert",
)
MAX_LENGTH = 64

_TOPICS = (
    ("refund", "invoice", "charge", "card", "payment", "billing", "money", "price", "receipt"),
    ("crash", "error", "screen", "login", "password", "update", "broken", "install", "freeze"),
    ("thanks", "love", "great", "wonderful", "nice", "helpful", "happy", "perfect", "friendly"),
)
_FILLER = (
    *("the", "a", "my", "your", "it", "was", "is", "please", "today", "when", "after", "with"),
    *("about", "that", "this", "I", "we", "you", "have", "had", "really", "very", "just"),
    *("again", "some", "more", "order", "account", "service", "team", "phone"),
    *("Straße", "café", "2nd"),
)


@dataclass(frozen=True, slots=True)
class Specials:
    """Name a family's special tokens, in the order of their ids."""

    order: tuple[str, ...]
    cls: str
    sep: str
    pad: str
    unk: str
    mask: str

    def id(self, token: str) -> int:
        """Return the id that training gives a special token: its place."""
        return self.order.index(token)


_BERT = Specials(
    ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"
)
_ROBERTA = Specials(
    ("<s>", "<pad>", "</s>", "<unk>", "<mask>"), "<s>", "</s>", "<pad>", "<unk>", "<mask>"
)
_DEBERTA = Specials(
    ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"), "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"
)
_ALBERT = Specials(
    ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"), "[CLS]", "[SEP]", "<pad>", "<unk>", "[MASK]"
)
_MODERNBERT = Specials(
    ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"), "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"
)

_TOKENIZERS: Mapping[str, tuple[str, Specials]] = {
    "bert": ("wordpiece", _BERT),
    "distilbert": ("wordpiece", _BERT),
    "electra": ("wordpiece", _BERT),
    "mpnet": ("wordpiece", _ROBERTA),
    "roberta": ("bpe", _ROBERTA),
    "modernbert": ("bpe", _MODERNBERT),
    "xlm-roberta": ("unigram", _ROBERTA),
    "deberta-v2": ("unigram", _DEBERTA),
    "albert": ("unigram", _ALBERT),
}


def make_data(seed: int = 7) -> Dataset:
    """Make a small text set of three classes that a tiny model learns in seconds."""
    source = random.Random(seed)
    rows: dict[str, int] = {}
    while len(rows) < 600:
        text, label = _row(source)
        rows.setdefault(text, label)
    items = list(rows.items())
    train, validation, test = (
        Rows(tuple(text for text, _ in part), tuple(label for _, label in part))
        for part in (items[:300], items[300:430], items[430:560])
    )
    unlabeled = tuple(text for text, _ in items[560:])
    return Dataset(LABELS, train, validation, test, unlabeled, digest=stable_hash(items))


def make_model(
    folder: Path,
    model_type: str = "bert",
    labels: tuple[str, ...] = LABELS,
    layers: int = 2,
    hidden: int = 64,
    heads: int = 4,
    ffn: int = 128,
    vocab: int = 400,
    seed: int = 0,
) -> Artifact:
    """Write a random classifier with a trained tokenizer as an artifact, format huggingface.

    Weights are drawn wide, so that the logits of different texts differ well above rounding.
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    folder.mkdir(parents=True, exist_ok=True)
    tokens = _write_tokenizer(folder, model_type, vocab)
    config = _config(model_type, tokens, labels, layers, hidden, heads, ffn)
    with torch.random.fork_rng(devices=[]), quiet_transformers():
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_config(config, attn_implementation="eager")
        model.save_pretrained(folder)
    return _seal(folder, model, labels)


def make_trained_model(
    folder: Path, model_type: str = "bert", data: Dataset | None = None, **sizes: int
) -> Artifact:
    """Write a tiny classifier that has learned `make_data`'s classes, in a few seconds."""
    data = data or make_data()
    drawn = make_model(folder, model_type, data.labels, **sizes)
    model = load_model(folder)
    _fit(model, drawn, data.train)
    with quiet_transformers():
        model.save_pretrained(folder)
    return _seal(folder, model, data.labels)


def _row(source: random.Random) -> tuple[str, int]:
    label = source.randrange(len(_TOPICS))
    words = source.choices(_FILLER, k=source.randint(2, 14))
    words += source.choices(_TOPICS[label], k=source.randint(1, 3))
    source.shuffle(words)
    return " ".join(words), label


def _seal(folder: Path, model: Any, labels: tuple[str, ...]) -> Artifact:
    return write_artifact(
        folder,
        format="huggingface",
        precision="fp32",
        task="text-classification",
        labels=labels,
        max_length=MAX_LENGTH,
        inputs=model_inputs(model.config),
        outputs=(TensorSpec("logits", "float32", ("batch", len(labels))),),
        parameters=sum(weight.numel() for weight in model.parameters()),
        model_type=model.config.model_type,
    )


def _config(
    model_type: str,
    tokens: int,
    labels: tuple[str, ...],
    layers: int,
    hidden: int,
    heads: int,
    ffn: int,
) -> Any:
    from transformers import AutoConfig

    specials = _TOKENIZERS[model_type][1]
    sizes: dict[str, Any] = {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": ffn,
    }
    if model_type == "distilbert":
        sizes = {"n_layers": layers, "dim": hidden, "n_heads": heads, "hidden_dim": ffn}
    return AutoConfig.for_model(
        model_type,
        vocab_size=tokens,
        max_position_embeddings=MAX_LENGTH + 2,  # RoBERTa and MPNet count from pad_id + 1
        pad_token_id=specials.id(specials.pad),
        bos_token_id=specials.id(specials.cls),
        eos_token_id=specials.id(specials.sep),
        cls_token_id=specials.id(specials.cls),
        sep_token_id=specials.id(specials.sep),
        initializer_range=0.08,
        id2label=dict(enumerate(labels)),
        label2id={name: index for index, name in enumerate(labels)},
        **sizes,
        **_PECULIAR.get(model_type, dict)(),
        **({"embedding_size": hidden // 2} if model_type in ("electra", "albert") else {}),
    )


_PECULIAR: Mapping[str, Callable[[], dict[str, Any]]] = {
    "roberta": lambda: {"type_vocab_size": 1},
    "xlm-roberta": lambda: {"type_vocab_size": 1},
    "deberta-v2": lambda: {
        "type_vocab_size": 0,
        "relative_attention": True,
        "position_buckets": 16,
        "max_relative_positions": -1,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
    },
    "modernbert": lambda: {"local_attention": 16, "global_attn_every_n_layers": 2},
}


def _write_tokenizer(folder: Path, model_type: str, vocab: int) -> int:
    """Write tokenizer.json and tokenizer_config.json; return the number of tokens."""
    kind, specials = _TOKENIZERS[model_type]
    tokenizer = _tokenizer(kind, specials, vocab)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": MAX_LENGTH,
        "cls_token": specials.cls,
        "sep_token": specials.sep,
        "pad_token": specials.pad,
        "unk_token": specials.unk,
        "mask_token": specials.mask,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    return int(tokenizer.get_vocab_size())


@cache
def _tokenizer(kind: str, specials: Specials, vocab: int) -> Tokenizer:
    from tokenizers import processors

    build: Tokenizer
    build, trainer = _BUILDERS[kind](specials, vocab)
    build.train_from_iterator(_corpus(), trainer)
    cls, sep = specials.cls, specials.sep
    ids = [(cls, specials.id(cls)), (sep, specials.id(sep))]
    if specials is _ROBERTA and kind == "bpe":
        build.post_processor = processors.RobertaProcessing(ids[1], ids[0], add_prefix_space=False)
        return build
    second = f"{sep} $B {sep}" if specials is _ROBERTA else f"$B:1 {sep}:1"
    build.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}", pair=f"{cls} $A {sep} {second}", special_tokens=ids
    )
    return build


def _wordpiece(specials: Specials, vocab: int) -> tuple[Tokenizer, Any]:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token=specials.unk))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    order = list(specials.order)
    return tokenizer, trainers.WordPieceTrainer(
        vocab_size=vocab, special_tokens=order, show_progress=False
    )


def _byte_level_bpe(specials: Specials, vocab: int) -> tuple[Tokenizer, Any]:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, trainers.BpeTrainer(
        vocab_size=max(vocab, 256 + 64),
        special_tokens=list(specials.order),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )


def _unigram(specials: Specials, vocab: int) -> tuple[Tokenizer, Any]:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer, trainers.UnigramTrainer(
        vocab_size=vocab,
        special_tokens=list(specials.order),
        unk_token=specials.unk,
        show_progress=False,
    )


_BUILDERS: Mapping[str, Callable[[Specials, int], tuple[Any, Any]]] = {
    "wordpiece": _wordpiece,
    "bpe": _byte_level_bpe,
    "unigram": _unigram,
}


def _corpus() -> Iterable[str]:
    rows = make_data().train.inputs
    alphabet = " ".join("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?'-")
    return (*rows, alphabet, *_FILLER, *(word for topic in _TOPICS for word in topic))


def _fit(model: Any, artifact: Artifact, rows: Rows, epochs: int = 10, batch: int = 32) -> None:
    import torch

    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    labels = torch.tensor(rows.targets)
    for epoch in range(epochs):
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(epoch))
        for picked in torch.split(order, batch):
            feeds = encode(artifact, [rows.inputs[index] for index in picked])
            loss = torch.nn.functional.cross_entropy(model(**feeds).logits, labels[picked])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()


def encode(artifact: Artifact, texts: list[str]) -> dict[str, Any]:
    """Return the padded int64 torch tensors, (texts, longest), that a model takes."""
    import torch

    from runtimes.tokenizing import load_tokenizer

    tokenizer = load_tokenizer(artifact.path, artifact.max_length)
    specials = _TOKENIZERS[artifact.model_type][1]
    tokenizer.enable_padding(pad_id=specials.id(specials.pad), pad_token=specials.pad)
    rows = tokenizer.encode_batch(texts)
    columns = {
        "input_ids": [row.ids for row in rows],
        "attention_mask": [row.attention_mask for row in rows],
        "token_type_ids": [row.type_ids for row in rows],
    }
    return {spec.name: torch.tensor(columns[spec.name]) for spec in artifact.inputs}
