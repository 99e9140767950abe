"""Everything that cannot work is reported before anything is written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from compress.bag.stage import Bag
from compress.data.dataset import DataSettings
from compress.distill.stage import Distill
from compress.export.formats import Format
from compress.export.stage import Export
from compress.finetune.stage import Finetune
from compress.judge.evaluation import REFERENCE
from compress.prune.stage import Prune
from compress.quantize.schemes import known_scheme
from compress.quantize.stage import Quantize
from compress.recipe import ExportSettings, Recipe, TeacherSettings, read_recipe
from compress.run.plan import Plan, make_plan
from compress.run.preflight import check_devices
from compress.run.steps import StepTree, lay_out, teacher_step
from compress.stage import Stage
from profiles.device import DEVICES, load_profile, shipped
from runtimes.coreml_runtime import CoreML
from runtimes.errors import InputError, ProfileError, RecipeError, UnsupportedError
from tests.compress.outlines import outline
from tests.compress.stand_in import Convert, Teach
from tests.compress.tiny_models import LABELS, make_data, make_model

HEAD = 'schema = 1\nname = "t"\n'
DISTILL = '[[stage]]\nkind = "distill"\nlayers = 1\n'
FINETUNE = '[[stage]]\nkind = "finetune"\n'
QUANTIZE = '[[stage]]\nkind = "quantize"\n'
BOTH = '[export]\nformats = ["onnx", "openvino"]\n'


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a teacher and its rows once."""
    folder = tmp_path_factory.mktemp("plan")
    make_model(folder / "teacher")
    make_model(folder / "small", layers=1)
    make_model(folder / "albert", "albert")
    write_rows(folder / "train.csv")
    return folder


@pytest.fixture(autouse=True)
def nothing_is_written(own_cache: Path, base: Path) -> Iterator[None]:
    before = [sorted(place.rglob("*")) for place in (own_cache, base)]
    yield
    (base / "r.toml").unlink(missing_ok=True)
    assert [sorted(place.rglob("*")) for place in (own_cache, base)] == before


def write_rows(path: Path, longer: str = "") -> None:
    rows = make_data().train
    lines = [
        f"{text} {longer},{LABELS[n]}\n" for text, n in zip(rows.inputs, rows.targets, strict=True)
    ]
    path.write_text("text,label\n" + "".join(lines), encoding="utf-8")


def plan(base: Path, stages: str = "", out: Path | None = None, **parts: str) -> Plan:
    teacher = f'[teacher]\npath = "{parts.pop("teacher", "teacher")}"\n'
    data = '[data]\ntrain = "train.csv"\n'
    head = HEAD + parts.pop("head", "")
    (base / "r.toml").write_text(head + teacher + data + stages + parts.pop("export", ""))
    return make_plan(read_recipe(base / "r.toml"), out or base / "out", **parts)  # type: ignore[arg-type]


def test_a_plan_lays_out_trunk_branches_and_reference(base: Path) -> None:
    made = plan(base, DISTILL + QUANTIZE, export=BOTH)
    assert [(step.name, step.source) for step in made.steps] == [
        ("01-distill", "00-teacher"),
        (REFERENCE, "00-teacher"),
        ("01-distill-onnx", "01-distill"),
        ("02-quantize-onnx", "01-distill-onnx"),
        ("03-export-openvino", "01-distill-onnx"),
        ("04-quantize-openvino", "03-export-openvino"),
    ]
    assert [step.name for step in made.steps if step.final] == [
        "02-quantize-onnx",
        "04-quantize-openvino",
    ]
    assert any("01-distill" in line for line in made.lines())


def test_ort_is_made_of_the_finished_onnx_model(base: Path) -> None:
    made = plan(base, QUANTIZE, export='[export]\nformats = ["onnx", "ort"]\n')
    assert [(step.name, step.source) for step in made.steps] == [
        (REFERENCE, "00-teacher"),
        ("01-quantize-onnx", REFERENCE),
        ("02-export-ort", "01-quantize-onnx"),
    ]
    assert [step.name for step in made.steps if step.final] == [
        "01-quantize-onnx",
        "02-export-ort",
    ]
    alone = plan(base, QUANTIZE, export='[export]\nformats = ["ort"]\n')
    assert [step.name for step in alone.steps if step.measured] == [REFERENCE, "02-export-ort"]


def test_a_profile_of_onnxruntime_takes_ort_too() -> None:
    check_devices([load_profile("rpi5")], ["ort"])
    with pytest.raises(RecipeError, match="takes 'openvino'"):
        check_devices([load_profile("core-ultra-npu")], ["ort"])


def test_tflite_is_made_of_the_torch_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Export, "packages", lambda *_: ())
    monkeypatch.setattr(Quantize, "packages", lambda *_: ())
    steps = laid(Distill(layers=1), Quantize(), formats=("tflite",))
    assert [(step.name, step.source) for step in steps.steps][2:] == [
        ("01-distill-onnx", "01-distill"),
        ("02-export-tflite", "01-distill"),
        ("03-quantize-tflite", "02-export-tflite"),
    ]
    with pytest.raises(UnsupportedError, match="'int8-static' on format 'tflite'"):
        laid(Quantize(scheme="int8-static"), formats=("tflite",))


def test_a_converter_that_is_missing_is_said_when_planning(base: Path) -> None:
    if find_spec("litert_torch"):
        pytest.skip("litert-torch is here")
    with pytest.raises(UnsupportedError, match="export tflite needs litert_torch") as caught:
        plan(base, export='[export]\nformats = ["tflite"]\n')
    assert caught.value.action == "pip install 'edgepress[litert-export]'"


def test_core_ml_is_refused_when_planning_where_it_cannot_run(base: Path) -> None:
    if CoreML().availability().ok:
        pytest.skip("Core ML is here")
    with pytest.raises(UnsupportedError, match=r"needs coremltools|macOS alone"):
        plan(base, export='[export]\nformats = ["onnx", "coreml"]\n')


def test_a_finetuned_model_is_the_teacher(base: Path) -> None:
    assert plan(base, FINETUNE + DISTILL).teacher_step == "01-finetune"
    assert plan(base, DISTILL).teacher_step == "00-teacher"


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        (QUANTIZE + QUANTIZE, "quantize of a model whose precision is int8 already"),
        (QUANTIZE + DISTILL, "distill after quantize"),
        (DISTILL + FINETUNE, "finetune after distill"),
        (FINETUNE + FINETUNE, "two finetune"),
        ('[[stage]]\nkind = "distill"\nlayers = 3\n', "a model with 2"),
        ('[[stage]]\nkind = "distill"\nkeep = [0, 2]\n', "a model with 2"),
        (DISTILL + '[[stage]]\nkind = "prune"\nlayers = 2\n', "a model with 1"),
        (
            '[[stage]]\nkind = "distill"\nstudent = "small"\n'
            '[[stage]]\nkind = "prune"\nlayers = 2\n',
            "a model with 1",
        ),
        ('[[stage]]\nkind = "distill"\nstudent = "nothing"\n', "no such model folder"),
        ('[[stage]]\nkind = "prune"\n', "removes nothing"),
    ],
)
def test_stages_that_do_not_follow_are_refused(base: Path, stages: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        plan(base, stages)
    assert caught.value.action


def test_an_architecture_that_a_stage_lacks_is_refused(base: Path) -> None:
    with pytest.raises(InputError, match="distill does not support the architecture 'albert'"):
        plan(base, DISTILL, teacher="albert")
    assert plan(base, QUANTIZE, teacher="albert").steps


@pytest.mark.parametrize(
    ("profile", "formats", "said"),
    [
        ("core-ultra-npu", "onnx", '"onnx", "openvino"'),
        ("gpu-t4", "onnx", "takes 'tensorrt'"),
        ("rpi5", "openvino", "takes 'onnx'"),
        ("locl", "onnx", "did you mean 'local'"),
        ("./nothing.toml", "onnx", "nothing.toml"),
    ],
)
def test_a_profile_needs_its_runtime_s_format(
    base: Path, profile: str, formats: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        plan(
            base, head=f'profiles = ["{profile}"]\n', export=f'[export]\nformats = ["{formats}"]\n'
        )


def test_a_device_out_of_reach_is_said_when_planning(base: Path) -> None:
    (warning,) = [
        line
        for line in plan(base, head='profiles = ["local", "rpi5"]\n').warnings
        if "rpi5" in line
    ]
    assert "variable EDGEPRESS_RPI5_HOST is not set" in warning
    assert "what is measured is reached by 'local'" in warning
    assert warning.endswith("its verdict will be WRONG_DEVICE")
    assert not [line for line in plan(base).warnings if "WRONG_DEVICE" in line]


def test_a_profile_of_any_machine_takes_any_format(base: Path) -> None:
    planned = plan(base, QUANTIZE, export='[export]\nformats = ["openvino"]\n')
    assert [step.name for step in planned.steps if step.final] == ["02-quantize-openvino"]


def test_another_student_decides_what_the_later_stages_support(base: Path) -> None:
    prune = '[[stage]]\nkind = "prune"\nffn = 0.5\n'
    student = '[[stage]]\nkind = "distill"\nstudent = "small"\n'
    with pytest.raises(InputError, match="prune does not support the architecture 'albert'"):
        plan(base, prune, teacher="albert")
    assert plan(base, student + prune, teacher="albert").steps


def test_int4_is_refused_where_the_runtime_lacks_it(base: Path) -> None:
    int4 = QUANTIZE + 'scheme = "int4-weight-only"\n'
    with pytest.raises(InputError, match="tensorrt has no int4"):
        plan(base, int4, export='[export]\nformats = ["onnx", "tensorrt"]\n')
    assert plan(base, int4, export=BOTH).steps


def test_a_profile_s_unknown_scheme_is_told_the_nearest(base: Path, tmp_path: Path) -> None:
    text = (DEVICES / "local.toml").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(text.replace('"int8-dynamic"', '"int8-dynamc"'))
    with pytest.raises(ProfileError, match="did you mean 'int8-dynamic'"):
        plan(base, head=f'profiles = ["{tmp_path / "mine.toml"}"]\n')


@pytest.mark.parametrize("name", shipped())
def test_the_shipped_profiles_name_schemes_that_there_are(name: str) -> None:
    assert known_scheme(load_profile(name).quantization.scheme)


def laid(*stages: Stage, formats: tuple[Format, ...] = ("onnx",)) -> StepTree:
    """Lay out a recipe of these stages on a teacher of two layers."""
    recipe = Recipe(
        name="t",
        seed=7,
        profiles=("local",),
        teacher=TeacherSettings(path="teacher"),
        data=DataSettings(train=("train.csv",)),
        stages=stages,
        export=ExportSettings(formats=formats),
        folder=Path(),
    )
    return lay_out(recipe, outline())


def test_several_stages_follow_an_export_and_may_change_its_format() -> None:
    """One package's stage takes ONNX before the quantization; another's converts it to OpenVINO."""
    steps = laid(Distill(layers=1), Convert(to="onnx"), Quantize(), Convert(to="openvino"))
    assert [(step.name, step.source) for step in steps.steps][2:] == [
        ("01-distill-onnx", "01-distill"),
        ("02-convert-onnx", "01-distill-onnx"),
        ("03-quantize-onnx", "02-convert-onnx"),
        ("04-convert-onnx", "03-quantize-onnx"),
    ]
    assert [step.name for step in steps.steps if step.final] == ["04-convert-onnx"]
    last = steps.outlines["04-convert-onnx"]
    assert (last.format, last.precision, steps.formats) == ("openvino", "int8", ["openvino"])
    with pytest.raises(RecipeError, match="takes 'onnx'"):
        check_devices([load_profile("rpi5")], steps.formats)
    check_devices([load_profile("core-ultra-npu")], steps.formats)


def test_a_cut_without_recovery_is_warned_of_unless_a_later_stage_trains() -> None:
    cut = Prune(ffn=0.5, recovery_epochs=0)
    assert "leaves the model as cut" in " ".join(laid(cut).warnings)
    assert laid(cut, Distill(layers=1)).warnings == []
    assert laid(Distill(layers=1), cut).warnings == laid(cut).warnings


def test_a_stage_that_teaches_is_the_teacher_whatever_its_kind() -> None:
    steps = laid(Teach(), Distill(layers=1))
    assert teacher_step(steps.steps) == "01-teach"
    assert [step.stands_for for step in steps.steps if step.name == REFERENCE] == ["01-teach"]
    with pytest.raises(RecipeError, match="two teach and finetune stages"):
        laid(Teach(), Finetune())


def test_a_stage_of_exported_models_is_refused_before_one_of_torch_models() -> None:
    with pytest.raises(RecipeError, match="distill after convert") as caught:
        laid(Convert(to="onnx"), Distill(layers=1))
    assert caught.value.expected
    assert caught.value.action == "move convert to the end"


def test_a_format_that_a_stage_does_not_take_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="04-convert-openvino cannot take format 'openvino'"):
        laid(Distill(layers=1), Convert(to="onnx"), formats=("onnx", "openvino"))


def test_a_format_that_no_runtime_loads_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="format 'abacus' is not one that is deployed"):
        laid(Convert(to="abacus"))


def test_a_student_that_is_onnx_already_is_measured_and_goes_on_from_there() -> None:
    steps = laid(Prune(vocabulary=True), Bag(), Quantize(), formats=("onnx", "openvino", "ort"))
    assert [(step.name, step.source) for step in steps.steps] == [
        ("01-prune", "00-teacher"),
        ("02-bag", "01-prune"),
        (REFERENCE, "00-teacher"),
        ("01-prune-onnx", "01-prune"),
        ("03-quantize-onnx", "02-bag"),
        ("04-export-openvino", "02-bag"),
        ("05-quantize-openvino", "04-export-openvino"),
        ("06-export-ort", "03-quantize-onnx"),
    ]
    measured = {step.name for step in steps.steps if step.measured}
    assert measured >= {REFERENCE, "01-prune-onnx", "02-bag", "03-quantize-onnx"}
    assert "04-export-openvino" not in measured
    assert steps.formats == ["onnx", "openvino", "ort"]


def test_a_student_that_is_onnx_already_may_be_the_end() -> None:
    steps = laid(Bag())
    assert [step.name for step in steps.steps if step.final] == ["01-bag"]
    assert [step.name for step in steps.steps] == ["01-bag", REFERENCE]


@pytest.mark.parametrize("form", ["tflite", "executorch", "coreml", "tensorrt"])
def test_a_format_that_is_not_made_of_onnx_is_refused_after_one(form: Format) -> None:
    with pytest.raises(UnsupportedError, match=f"to '{form}'") as caught:
        laid(Bag(), formats=(form,))
    assert caught.value.expected
    assert caught.value.action


def test_no_stage_of_torch_models_follows_a_student_that_is_onnx_already() -> None:
    with pytest.raises(UnsupportedError, match="format 'onnx'"):
        laid(Bag(), Prune(ffn=0.5))


def test_a_closed_export_is_the_end_of_its_branch() -> None:
    steps = laid(Quantize(), Convert(to="onnx"), formats=("tensorrt",))
    assert [step.name for step in steps.steps] == [REFERENCE, "01-export-tensorrt"]
    assert steps.formats == ["tensorrt"]


def test_texts_that_are_cut_are_warned_of(base: Path) -> None:
    write_rows(base / "train.csv", "refund " * 80)
    try:
        warnings = plan(base).warnings
    finally:
        write_rows(base / "train.csv")
    assert any("100% of the training texts are longer" in warning for warning in warnings)
    assert not any("longer" in warning for warning in plan(base).warnings)


@pytest.mark.parametrize("place", ["teacher", "teacher/out", ".", "train.csv", "train.csv/out"])
def test_results_stay_apart_from_what_is_read(base: Path, place: str) -> None:
    with pytest.raises(InputError):
        plan(base, out=base / place)


def test_results_stay_apart_from_the_cache(base: Path, own_cache: Path) -> None:
    for out in (own_cache, own_cache / "run", own_cache.parent):
        with pytest.raises(InputError):
            plan(base, out=out)


def test_a_place_that_takes_no_files_is_refused(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        plan(base, out=Path("/proc/run"))
    monkeypatch.setenv("EDGEPRESS_CACHE", str(base / "train.csv"))
    with pytest.raises(InputError, match="cannot be written"):
        plan(base)


def test_a_disk_without_room_is_refused(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(base)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    with pytest.raises(InputError, match="0 MB free"):
        plan(base)


def test_a_folder_of_somebody_else_is_left_alone(base: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not a run's"):
        plan(base, out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
