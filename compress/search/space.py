"""The shapes for a teacher: all of them, the first ones, and the neighbors of a shape."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from compress.export.formats import ROUTES
from compress.models.architectures import architecture
from compress.models.outline import outline_of
from compress.models.positions import may_drop
from compress.models.torch_model import load_config
from compress.recipe import parse_stage
from compress.run.plan import Plan
from compress.search.shape import N_GRAMS, VOCABULARIES, Shape
from compress.stage import Outline
from compress.tasks import DEFAULT_TASK, has_vectors, task_of
from runtimes.artifact import Artifact
from runtimes.errors import RecipeError
from runtimes.runtime import runs_in

_SHARES = (0.0, 0.25, 0.5, 0.75)
_HEADS = (0.0, 0.5)
_NARROWER = (0.75, 0.5)
_DEEPEST = 4
_FIRST = (
    *((1, 0.5, 0.0, False), (1, 0.0, 0.0, True), (2, 0.5, 0.0, True)),
    *((3, 0.5, 0.5, True), (3, 0.5, 0.0, True), (3, 0.0, 0.0, True)),
)
"""Layers, the removed shares of the FFN and of the heads, and whether positions stay needlessly.

Fastest first: a short search tries only these. One layer without positions takes half of one's time
with them; where the order of words matters, the next shape shows it.
"""

_FEATURES = (100_000, 50_000, 20_000, 10_000, 5_000)
"""How many n-grams a linear student keeps."""
_FIRST_LINEAR = (("characters", 20_000), ("words", 20_000))

_FIXED_WORK = 0.15
"""A step's work beside its layers, as a share of a whole layer: embeddings, head, optimizer."""
_BAG_WORK = 0.06
"""That of the first bag student, from the times of trainings: a sixth of one layer without
positions."""

_BAG_WIDTHS = (384, 256, 192, 128)
_PAIRS = (20_000, 10_000, 5_000, 3_500, 2_000)
_BLOCKS = (4, 2, 1, 0)
_FIRST_BAGS = ((256, 3_500, 0), (256, 3_500, 2))
"""The width, the pairs and the blocks of the bag students that are tried first."""


@dataclass(frozen=True, slots=True)
class Space:
    """Hold the choices of each dimension, from the smallest cut to the largest.

    `linear` says whether a linear student can be the answer.
    """

    layers: tuple[int, ...]
    hidden: tuple[int | None, ...]
    weights: tuple[str, ...]
    embeddings: tuple[str | None, ...]
    positions: tuple[bool, ...]
    scheme: str
    teacher_hidden: int
    teacher_ffn: int
    one_token: bool = True
    """Whether the head reads one token alone, so that the last layer computes little else."""
    linear: bool = False
    bags: tuple[int, ...] = ()
    """The widths of bag students, the widest first; () where there are none."""

    @property
    def choices(self) -> dict[str, tuple[Any, ...]]:
        """Return the choices by the name of the shape's field, each in order of the cut."""
        return {
            "layers": self.layers,
            "ffn": _SHARES,
            "heads": _HEADS,
            "hidden": self.hidden,
            "vocabulary": tuple(VOCABULARIES),
            "weights": self.weights,
            "embeddings": self.embeddings,
            "positions": self.positions,
        }

    def first(self) -> list[Shape]:
        """Return the shapes that are tried before any other, the fastest first."""
        plain: dict[tuple[int, float, float], Shape] = {}
        for most, ffn, heads, order in _FIRST:
            layers = min(most, self.layers[0])
            if layers < most and heads:
                continue  # a shallow teacher's students need no step between depths
            plain.setdefault((layers, ffn, heads), self._plain(layers, ffn, heads, order))
        shapes = list(plain.values())
        shapes = shapes if self.layers[-1] else [_static(shapes[0]), *shapes]
        return [*self._first_bags(shapes[0]), *shapes]

    def _first_bags(self, plain: Shape) -> list[Shape]:
        """Return the bag students that are tried first: each training in the most and fewest bits.

        Most of such a student's time is its lookup, which is faster in more bits.
        """
        if not self.bags:
            return []
        plain = dataclasses.replace(plain, layers=0, ffn=0.0, positions=False)
        return [
            dataclasses.replace(
                plain,
                hidden=min(wide, self.bags[0]),
                pairs=pairs,
                blocks=blocks,
                embeddings=bits,
            )
            for wide, pairs, blocks in _FIRST_BAGS
            for bits in dict.fromkeys((self.embeddings[0], self.embeddings[-1]))
        ]

    def first_linear(self) -> list[Shape]:
        """Return the linear students that are fitted before any other is trained."""
        if not self.linear:
            return []
        return [Shape(0, n_grams=kind, features=count) for kind, count in _FIRST_LINEAR]

    def neighbors(self, shape: Shape, *, smaller: bool) -> Iterator[Shape]:
        """Yield the shapes that are one step smaller (or larger) in one dimension.

        More layers than one keep their positions: without them they are no faster.
        """
        for name, choices in self._dimensions(shape).items():
            place = choices.index(getattr(shape, name)) + (1 if smaller else -1)
            if not 0 <= place < len(choices):
                continue
            near = dataclasses.replace(shape, **{name: choices[place]})
            if near.static:
                near = _static(near)
            elif shape.static and near.layers:
                near = dataclasses.replace(near, positions=True)
            if near.positions or near.layers <= 1:
                yield near

    def _dimensions(self, shape: Shape) -> dict[str, tuple[Any, ...]]:
        if shape.linear:
            return _LINEAR
        if shape.static:
            return {name: self.choices[name] for name in ("layers", "vocabulary", "embeddings")}
        if shape.bag:
            same = {name: self.choices[name] for name in ("vocabulary", "weights", "embeddings")}
            return {"blocks": _BLOCKS, "hidden": self.bags, "pairs": _PAIRS, **same}
        return self.choices

    def work(self, shape: Shape) -> float:
        """Return a training step's work in multiples of one whole layer's.

        Where the head reads one token, the last layer computes queries, keys and values for all
        tokens, and the rest for that token only.
        A linear student has no such steps: its work is 0.
        """
        if shape.linear:
            return 0.0
        if shape.bag:
            wide, _, blocks = _FIRST_BAGS[0]
            width = shape.hidden or wide
            return _BAG_WORK * (2 + shape.blocks) / (2 + blocks) * width / wide
        if shape.static:
            return _FIXED_WORK
        wide = shape.hidden or self.teacher_hidden
        whole = self.teacher_hidden * (4 * self.teacher_hidden + 2 * self.teacher_ffn)
        heads = wide * wide * (1 - shape.heads)
        layer = 4 * heads + 2 * wide * self.teacher_ffn * (1 - shape.ffn)
        last = 3 * heads if self.one_token else layer
        return _FIXED_WORK + ((shape.layers - 1) * layer + last) / whole

    def _plain(self, layers: int, ffn: float, heads: float, order: bool) -> Shape:
        return Shape(
            layers,
            ffn,
            heads,
            vocabulary="common",
            scheme=self.scheme,
            weights=self.weights[-1],
            embeddings=self.embeddings[-1],
            positions=order or self.positions[-1],
        )


_LINEAR: dict[str, tuple[Any, ...]] = {"n_grams": tuple(N_GRAMS), "features": _FEATURES}
"""The choices of a linear student, by the name of the shape's field."""


def _static(shape: Shape) -> Shape:
    """Return a shape without layers, and so without what is cut in them, and without positions."""
    return dataclasses.replace(
        shape, layers=0, ffn=0.0, heads=0.0, hidden=None, weights="int8", positions=False
    )


def space_of(teacher: Artifact, scheme: str, form: str, *, linear: bool = False) -> Space:
    """Return the shapes of a teacher; `form` is the exported format, `linear` adds such students.

    A task that reads every token keeps positions, since a word's label depends on the words'
    order, and 8-bit weights, since those of 4 bits are for the products of one token. Pairs without
    token types keep positions too. Where answers are vectors, a student may have no layers.
    Raises UnsupportedError for an architecture that cannot be pruned.
    """
    parts = architecture(teacher.model_type)
    config = load_config(teacher.path)
    depth = int(getattr(config, parts.config_layers))
    heads = int(getattr(config, parts.config_heads))
    hidden = int(config.hidden_size)
    widths = {round(heads * share) * hidden // heads for share in _NARROWER}
    narrower = sorted(widths - {hidden, 0}, reverse=True)
    exported = dataclasses.replace(outline_of(teacher), format=form)
    task = task_of(teacher.task)
    deepest, least = min(depth, _DEEPEST), 0 if has_vectors(teacher.task) else 1
    one_token, unordered = task.reads_first_token, may_drop(teacher.model_type, pairs=task.pairs)
    return Space(
        layers=tuple(range(deepest, least - 1, -1)),
        hidden=(None, *narrower),
        weights=_taken("weights", scheme, exported) if one_token else ("int8",),
        embeddings=_taken("embeddings", scheme, exported) or (None,),
        positions=(True, False) if one_token and unordered else (True,),
        scheme=scheme,
        teacher_hidden=hidden,
        teacher_ffn=int(getattr(config, parts.config_ffn)),
        one_token=one_token,
        linear=linear,
        bags=_bag_widths(teacher, hidden, form),
    )


def _bag_widths(teacher: Artifact, hidden: int, form: str) -> tuple[int, ...]:
    """Return the widths of bag students, no wider than the teacher; () where it cannot have any.

    They are made as ONNX graphs, for one label of one text.
    """
    if teacher.task != DEFAULT_TASK or "onnx" not in ROUTES[form].before:
        return ()
    return tuple(width for width in _BAG_WIDTHS if width <= hidden) or (
        max(16, hidden - hidden % 16),
    )


def linear_fits(plan: Plan) -> bool:
    """Tell whether a linear student can be the answer of a plan.

    It is finished without an export and has a runtime of its own: a recipe that asks for formats,
    or a profile that names another runtime than the usual one, wants something else.
    """
    recipe = plan.recipe
    usual = plan.target.runtime == runs_in("onnx")
    asked = "formats" in recipe.export.model_fields_set
    return plan.teacher.task == DEFAULT_TASK and usual and not asked


def _taken(name: str, scheme: str, exported: Outline) -> tuple[str, ...]:
    """Return the widths that a scheme takes for embeddings or weights, the widest first."""
    taken = []
    for width in ("int8", "int4"):
        stage = parse_stage({"kind": "quantize", "scheme": scheme, name: width}, "search")
        try:
            stage.check(exported)
        except RecipeError:
            continue
        taken.append(width)
    return tuple(taken)
