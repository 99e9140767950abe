"""A recipe is complete and right, or its first fault is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.recipe import parse_stage, read_recipe
from compress.stage import STAGES
from runtimes.errors import InputError, RecipeError

HEAD = 'schema = 1\nname = "t"\n'
TEACHER = '[teacher]\npath = "model"\n'
DATA = '[data]\ntrain = "train.csv"\n'


def read(folder: Path, content: str) -> object:
    (folder / "r.toml").write_text(content, encoding="utf-8")
    return read_recipe(folder / "r.toml")


def test_a_recipe_has_what_was_written_and_defaults(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(
        HEAD + TEACHER + DATA + '[[stage]]\nkind = "distill"\nlayers = 3\n'
        '[export]\nformats = ["onnx", "openvino", "onnx"]\n',
        encoding="utf-8-sig",
    )
    recipe = read_recipe(tmp_path / "r.toml")
    assert recipe.stages == (parse_stage({"kind": "distill", "layers": 3}, "here"),)
    assert recipe.export.formats == ("onnx", "openvino")
    assert (recipe.seed, recipe.profiles, recipe.folder) == (7, ("local",), tmp_path.resolve())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no 'schema'"),
        ("schema = \n", "not TOML"),
        ('schema = 2\nname = "t"\n' + TEACHER + DATA, "schema is 2"),
        ('schema = 1\nname = "a/b"\n' + TEACHER + DATA, "letters"),
        (HEAD + DATA, "no 'teacher'"),
        (HEAD + TEACHER, "no 'data'"),
        (HEAD + "sead = 3\n" + TEACHER + DATA, "did you mean 'seed'"),
        (HEAD + TEACHER + DATA + 'txt = "a"\n', "did you mean 'text'"),
        (HEAD + 'seed = "seven"\n' + TEACHER + DATA, "seed is 'seven'"),
        (HEAD + "profiles = []\n" + TEACHER + DATA, "at least one"),
        (HEAD + 'teacher = "m"\n' + DATA, "a table of keys"),
        (HEAD + TEACHER + DATA + "test_share = 0.9\n", "nothing to train on"),
        (HEAD + TEACHER + DATA + '[stage]\nkind = "prune"\n', "two brackets"),
        (HEAD + TEACHER + DATA + "[[stage]]\nlayers = 1\n", "stage 1: no kind"),
        (HEAD + TEACHER + DATA + "[[stage]]\nkind = 3\n", "kind is 3"),
        (HEAD + TEACHER + DATA + '[[stage]]\nkind = "distil"\n', "did you mean 'distill'"),
        (HEAD + TEACHER + DATA + '[[stage]]\nkind = "export"\n', "[export]"),
        (HEAD + TEACHER + DATA + '[[stage]]\nkind = "distill"\nlayer = 1\n', "mean 'layers'"),
        (HEAD + TEACHER + DATA + '[[stage]]\nkind = "distill"\nlayers = "x"\n', "layers is 'x'"),
        (HEAD + TEACHER + DATA + '[[stage]]\nkind = "quantize"\nscheme = "int7"\n', "int8-static"),
        (HEAD + TEACHER + DATA + '[export]\nformats = ["onxx"]\n', "'onnx'"),
        (HEAD + TEACHER + DATA + "[export]\nformats = []\n", "at least one"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    assert said in str(caught.value)
    assert caught.value.action


def test_available_keys_are_settings_only(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        parse_stage({"kind": "distill", "layer": 1}, "here")
    keys = str(caught.value.available).split(", ")
    assert {"layers", "temperature"} <= set(keys)
    assert not {"kind", "accepts", "retrains"} & set(keys)


def test_a_missing_recipe_names_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "there.toml").write_text(HEAD)
    with pytest.raises(InputError, match=r"there\.toml"):
        read_recipe(tmp_path / "thre.toml")
    with pytest.raises(InputError, match="a folder"):
        read_recipe(tmp_path)


def test_a_student_s_folder_starts_at_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path)
    for written, seen in (("small", "below/small"), ("org/name", "org/name")):
        stage = f'[[stage]]\nkind = "distill"\nstudent = "{written}"\n'
        (tmp_path / "below" / "r.toml").write_text(HEAD + TEACHER + DATA + stage)
        recipe = read_recipe(Path("below/r.toml"))
        assert recipe.stages[0].student == seen  # type: ignore[attr-defined]


def test_a_package_s_class_that_is_no_stage_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STAGES.rows, "fold", "pathlib:Path")
    with pytest.raises(RecipeError, match=r"fold is pathlib\S*:Path, which is not a stage"):
        parse_stage({"kind": "fold"}, "here")
