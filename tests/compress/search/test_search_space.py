"""Shapes, the stages that make them, and their neighbors."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.bag.stage import Bag
from compress.distill.stage import Distill
from compress.linear.stage import Linear
from compress.prune.stage import Prune
from compress.quantize.stage import Quantize
from compress.recipe import read_recipe
from compress.run.plan import make_plan
from compress.search.shape import (
    Shape,
    cut_of,
    quantization_of,
    settings_kept,
    stages_of,
    training_of,
)
from compress.search.space import linear_fits, space_of
from runtimes.errors import UnsupportedError
from tests.compress.searching import RECIPE, SPACE, write_recipe
from tests.compress.tiny_models import make_model

shapes = st.builds(
    Shape,
    **{name: st.sampled_from(values) for name, values in SPACE.choices.items()},
    scheme=st.just(SPACE.scheme),
).filter(lambda shape: shape.positions or shape.layers == 1)


def test_a_name_says_what_is_left_and_is_a_file_name() -> None:
    assert Shape(1).name == "1-layer-int8-dynamic"
    shape = Shape(2, 0.25, 0.5, 192, "spelling", "int8-dynamic", "int4", "int4")
    assert shape.name == "2-layer-ffn75-heads50-hidden192-spelling-int8-dynamic-weights-int4-int4"


@given(shapes, shapes)
def test_names_tell_shapes_apart(one: Shape, other: Shape) -> None:
    assert (one.name == other.name) == (one == other)


def test_a_student_is_cut_then_distilled_once_then_quantized() -> None:
    prune, distill, quantize = stages_of(Shape(1, 0.5, embeddings="int4"), 20, {})
    assert isinstance(prune, Prune)
    assert (prune.layers, prune.ffn, prune.recovery_epochs) == (None, 0.5, 0)
    assert (prune.vocabulary, prune.vocabulary_floor, prune.alphabet) == (True, 0, "seen")
    assert isinstance(distill, Distill)
    assert (distill.layers, distill.epochs) == (1, 20)
    assert isinstance(quantize, Quantize)
    assert (quantize.scheme, quantize.embeddings) == ("int8-dynamic", "int4")


def test_what_no_shape_decides_is_the_recipe_s() -> None:
    own = (
        Distill(layers=4, epochs=50, temperature=2.0),
        Prune(ffn=0.9, rows=64),
        Quantize(scheme="fp16", max_drop=0.01),
    )
    prune, distill, quantize = stages_of(Shape(1), 3, settings_kept(own))
    assert isinstance(prune, Prune)
    assert (prune.rows, prune.ffn) == (64, 0.0)
    assert isinstance(distill, Distill)
    assert (distill.layers, distill.epochs, distill.temperature) == (1, 3, 2.0)
    assert isinstance(quantize, Quantize)
    assert (quantize.scheme, quantize.max_drop) == ("int8-dynamic", 0.01)


def test_an_untrained_shape_is_cut_in_depth_and_its_answers_do_not_matter() -> None:
    cut, quantize = cut_of(Shape(2), {}, depth=True), quantization_of(Shape(2), {}, judged=False)
    assert getattr(cut, "layers", None) == 2
    assert getattr(quantize, "max_drop", None) == 1.0


@given(shapes)
def test_neighbors_differ_in_one_dimension_by_one_step(shape: Shape) -> None:
    for near in SPACE.neighbors(shape, smaller=True):
        changed = [n for n in SPACE.choices if getattr(near, n) != getattr(shape, n)]
        assert len(changed) == 1
        assert SPACE.work(near) <= SPACE.work(shape)
        assert shape in list(SPACE.neighbors(near, smaller=False))


def test_work_is_one_for_a_whole_layer_a_quarter_for_the_last_and_a_little() -> None:
    assert SPACE.work(Shape(1)) == pytest.approx(0.4)
    assert SPACE.work(Shape(3)) == pytest.approx(2.4)


@pytest.mark.parametrize(
    ("layers", "first"),
    [
        (1, [(1, 0.5, 0), (1, 0, 0)]),
        (2, [(1, 0.5, 0), (1, 0, 0), (2, 0.5, 0), (2, 0, 0)]),
        (6, [(1, 0.5, 0), (1, 0, 0), (2, 0.5, 0), (3, 0.5, 0.5), (3, 0.5, 0), (3, 0, 0)]),
    ],
)
def test_the_first_shapes_suit_the_teacher(
    tmp_path: Path, layers: int, first: list[tuple[int, float, float]]
) -> None:
    whole = space_of(make_model(tmp_path / "m", layers=layers), "int8-dynamic", "onnx").first()
    bags, space = whole[:4], whole[4:]
    assert [(bag.bag, bag.layers, bag.hidden) for bag in bags] == [(True, 0, 64)] * 4
    kinds = [(0, "int8"), (0, "int4"), (2, "int8"), (2, "int4")]
    assert [(bag.blocks, bag.embeddings) for bag in bags] == kinds
    assert [(shape.layers, shape.ffn, shape.heads) for shape in space] == first
    assert [shape.positions for shape in space] == [False, *[True] * (len(first) - 1)]


@pytest.mark.parametrize(
    ("model_type", "scheme", "form", "weights", "embeddings"),
    [
        ("bert", "int8-dynamic", "onnx", ("int8", "int4"), ("int8", "int4")),
        ("distilbert", "int8-dynamic", "openvino", ("int8",), (None,)),
        ("roberta", "fp16", "onnx", ("int8",), (None,)),
    ],
)
def test_widths_are_those_that_the_scheme_takes(
    tmp_path: Path,
    model_type: str,
    scheme: str,
    form: str,
    weights: tuple[str, ...],
    embeddings: tuple[Any, ...],
) -> None:
    space = space_of(make_model(tmp_path / "m", model_type), scheme, form)
    assert (space.weights, space.embeddings) == (weights, embeddings)
    assert space.hidden == (None, 48, 32)
    assert space.teacher_ffn == 128


def test_a_task_that_reads_every_token_keeps_order_and_8_bit_weights(tmp_path: Path) -> None:
    teacher = dataclasses.replace(make_model(tmp_path / "m"), task="token-classification")
    space = space_of(teacher, "int8-dynamic", "onnx")
    assert (space.weights, space.positions) == (("int8",), (True,))
    assert space.embeddings == ("int8", "int4")
    assert space.work(Shape(1)) == pytest.approx(0.15 + 1)


def test_where_answers_are_vectors_a_student_may_have_no_layers() -> None:
    space = dataclasses.replace(SPACE, layers=(2, 1, 0), weights=("int8",), positions=(True,))
    static = space.first()[0]
    assert (static.name, static.static) == ("static-common-int8-dynamic-int4", True)
    assert not any(shape.static for shape in SPACE.first())
    cut, training, _ = stages_of(static, 3, {"distill": {"learning_rate": 2e-4}})
    assert (getattr(cut, "positions", None), getattr(cut, "ffn", None)) == (False, 0.0)
    assert training == Distill(layers=0, epochs=3, learning_rate=1e-3)
    assert space.work(static) < space.work(space.first()[1])
    smaller = [near.name for near in space.neighbors(static, smaller=True)]
    assert smaller == ["static-spelling-int8-dynamic-int4"]
    larger = list(space.neighbors(static, smaller=False))
    assert [near.name for near in larger] == [
        "1-layer-common-int8-dynamic-int4",
        "static-frequent-int8-dynamic-int4",
        "static-common-int8-dynamic-int8",
    ]
    half = dataclasses.replace(larger[0], ffn=0.5, heads=0.5, hidden=288)
    assert next(space.neighbors(half, smaller=True)) == static


def test_a_linear_student_is_one_stage_and_has_neighbors_of_its_own() -> None:
    space = dataclasses.replace(SPACE, linear=True)
    assert SPACE.first_linear() == []
    shape = space.first_linear()[0]
    assert (shape.name, space.work(shape)) == ("linear-characters-20000", 0)
    (stage,) = stages_of(shape, 0, {"distill": {"augment": 3}})
    assert stage == Linear(features=20_000, augment=2)
    smaller = [near.name for near in space.neighbors(shape, smaller=True)]
    assert smaller == ["linear-words-20000", "linear-characters-10000"]
    own = settings_kept((Linear(augment=1, longest=3, regularization=0.5),))
    assert stages_of(shape, 0, own) == (Linear(features=20_000, augment=1, regularization=0.5),)


def test_a_bag_student_is_cut_to_its_pieces_and_has_neighbors_of_its_own() -> None:
    space = dataclasses.replace(SPACE, bags=(384, 256, 192))
    assert not any(shape.bag for shape in SPACE.first())
    wide, shape, deep, _ = space.first()[:4]
    assert dataclasses.replace(wide, embeddings="int4") == shape
    assert dataclasses.replace(wide, blocks=2) == deep
    assert deep.name == "bag-pairs3500-blocks2-hidden256-common-int8-dynamic-weights-int4-int8"
    assert getattr(stages_of(deep, 12, {})[1], "blocks", None) == 2
    assert space.work(deep) == 2 * space.work(wide)
    assert stages_of(wide, 12, {})[:2] == stages_of(shape, 12, {})[:2]
    assert shape.name == "bag-pairs3500-hidden256-common-int8-dynamic-weights-int4-int4"
    assert space.work(shape) < min(space.work(other) for other in space.first()[4:])
    cut, bag, quantize = stages_of(shape, 12, {"distill": {"augment": 2, "learning_rate": 2e-4}})
    assert isinstance(cut, Prune)
    assert (cut.positions, cut.ffn, cut.vocabulary) == (True, 0.0, True)
    assert bag == Bag(width=256, inner=512, pairs=3500, augment=2, epochs=12)
    assert (getattr(quantize, "weights", None), getattr(quantize, "embeddings", None)) == (
        "int4",
        "int4",
    )
    smaller = {near.name for near in space.neighbors(shape, smaller=True)}
    assert smaller == {
        "bag-pairs3500-hidden192-common-int8-dynamic-weights-int4-int4",
        "bag-pairs2000-hidden256-common-int8-dynamic-weights-int4-int4",
        "bag-pairs3500-hidden256-spelling-int8-dynamic-weights-int4-int4",
    }
    assert {near.blocks for near in space.neighbors(deep, smaller=True)} == {1, 2}
    assert {near.blocks for near in space.neighbors(deep, smaller=False)} == {2, 4}
    own = settings_kept((Bag(width=64, epochs=3, learning_rate=2e-3, alpha=0.5),))
    bag = stages_of(shape, 8, own)[1]
    assert bag == Bag(width=256, epochs=8, learning_rate=2e-3, alpha=0.5)


@pytest.mark.parametrize(
    ("task", "form", "widths"),
    [
        ("text-classification", "onnx", (64,)),
        ("text-classification", "openvino", (64,)),
        ("text-classification", "tflite", ()),
        ("token-classification", "onnx", ()),
    ],
)
def test_bag_students_are_for_one_label_and_for_what_onnx_leads_to(
    tmp_path: Path, task: str, form: str, widths: tuple[int, ...]
) -> None:
    teacher = dataclasses.replace(make_model(tmp_path / "m"), task=task)
    assert space_of(teacher, "int8-dynamic", form).bags == widths


@pytest.mark.parametrize(
    ("added", "offered"),
    [("", True), ('[export]\nformats = ["onnx"]\n', False)],
)
def test_a_linear_student_is_no_answer_where_formats_are_asked_for(
    tmp_path: Path, added: str, offered: bool
) -> None:
    parsed = read_recipe(write_recipe(tmp_path, RECIPE + added))
    plan = make_plan(parsed, tmp_path / "out")
    assert linear_fits(plan) is offered


def test_an_architecture_that_cannot_be_cut_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="modernbert"):
        space_of(make_model(tmp_path / "m", "modernbert"), "int8-dynamic", "onnx")


def test_training_rounds_what_the_recipe_asks_for_and_the_shape_has_in_4_bits() -> None:
    kept = settings_kept((Distill(layers=1, quantization_aware=["embeddings", "weights"]),))
    for shape, rounded in (
        (Shape(1), []),
        (Shape(1, embeddings="int4"), ["embeddings"]),
        (Shape(1, weights="int4", embeddings="int4"), ["embeddings", "weights"]),
    ):
        assert getattr(training_of(shape, 3, kept), "quantization_aware", None) == rounded
        assert getattr(training_of(shape, 3, {}), "quantization_aware", None) == []
