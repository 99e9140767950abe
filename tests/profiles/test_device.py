"""Device profiles: which load, and the errors of wrong files."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiles.budget import METRICS
from profiles.device import DEVICES, DeviceProfile, load_profile, shipped
from runtimes.errors import ProfileError, UnknownNameError
from runtimes.facts import has_int8_dot

MINIMAL = """
schema = 1
name = "mine"
[budgets]
latency_p90_ms = {max = 40}
"""

WITHOUT_INT8_DOT = {
    *("rpi-zero2w", "rpi4", "imx8mp", "x86-avx2", "lambda-x86"),
    *("cloudrun-1", "cloudrun-2", "cloudrun-4", "cloudrun-8"),
}


def _write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


DESCRIBED = [name for name in shipped() if not name.startswith(("local", "regression", "embedded"))]
"""The profiles that describe a device; the others stand for the machine that runs them."""


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_profile_loads_and_says_its_own_name(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert profile.description


@pytest.mark.parametrize("name", [n for n in shipped() if not n.startswith("regression")])
def test_a_shipped_profile_of_a_device_limits_accuracy_and_size(name: str) -> None:
    profile = load_profile(name)
    assert profile.budgets["accuracy_retention"].level == "error"
    assert "artifact_mb" in profile.budgets


@pytest.mark.parametrize(
    ("name", "against"), [("regression", "reference"), ("regression-baseline", "baseline")]
)
def test_the_regression_profiles_only_compare(name: str, against: str) -> None:
    budgets = load_profile(name).budgets.values()
    assert {budget.kind.against for budget in budgets} == {against}


def test_what_two_sessions_do_not_share_only_warns() -> None:
    timed = [
        budget
        for budget in load_profile("regression-baseline").budgets.values()
        if budget.metric.startswith(("latency", "cold_start"))
    ]
    assert {budget.level for budget in timed} == {"warn"}


@pytest.mark.parametrize("name", [n for n in DESCRIBED if not n.startswith("gpu-")])
def test_a_shipped_profile_knows_whether_int8_saturates(name: str) -> None:
    assert load_profile(name).hardware.int8_dot is (name not in WITHOUT_INT8_DOT)


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_shipped_profile_tags_its_facts(name: str) -> None:
    comments = [
        line
        for line in (DEVICES / f"{name}.toml").read_text().splitlines()
        if line.startswith("#") and not line.startswith("# Tags:")
    ]
    assert any(tag in line for line in comments for tag in ("[R]", "[M]", "[I]"))


def test_every_board_has_a_profile() -> None:
    expected = {"rpi5", "rk3588", "intel-n100", "lambda-arm64", "graviton4", "gpu-h200", "local"}
    assert expected <= set(shipped())
    assert len(shipped()) == 32


def test_a_path_loads(tmp_path: Path) -> None:
    profile = load_profile(_write(tmp_path, MINIMAL))
    assert profile.budgets["latency_p90_ms"].limit == 40
    assert profile.budgets["latency_p90_ms"].confidence == 0.95
    assert profile.budgets["latency_p90_ms"].metric == "latency_p90_ms"
    assert (profile.runtime.name, profile.runtime.threads) == ("onnxruntime", 1)


def test_the_highest_confidence_is_the_one_to_measure_with(tmp_path: Path) -> None:
    text = MINIMAL + "accuracy = {min = 0.9, confidence = 0.99}\n"
    assert load_profile(_write(tmp_path, text)).confidence == 0.99


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'rpi5'"):
        load_profile("rpi-5")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("max = 40", "max = 40, min = 1"), "exactly one of max and min"),
        (("max = 40", 'level = "warn"'), "exactly one of max and min"),
        (("max = 40", "min = 40"), "takes max"),
        (("max = 40", "max = -1"), "greater than 0"),
        (("max = 40", "max = nan"), "finite"),
        (("max = 40", 'max = "fast"'), r"budgets\.latency_p90_ms\.max: 'fast'"),
        (("max = 40", 'max = 40, level = "fatal"'), "'error' or 'warn'"),
        (("max = 40", "max = 40, confidence = 1.0"), "less than or equal to 0.9999"),
        (("max = 40", "max = 40, confidance = 0.9"), "did you mean 'confidence'"),
        (("max = 40", 'max = 40, metric = "accuracy"'), "leave `metric` out"),
        (("latency_p90_ms", "latency_90_ms"), "did you mean 'latency_p90_ms'"),
        (("latency_p90_ms = {max = 40}", "accuracy_retention = {min = 97}"), "a fraction"),
        (("{max = 40}", "40"), r"budgets\.latency_p90_ms: 40; expected a table"),
        (("latency_p90_ms = {max = 40}", ""), "at least one of the budgets"),
        (("schema = 1", "schema = 2"), "schema: 2; expected 1"),
        (("schema = 1", ""), "schema: missing"),
        (('name = "mine"', 'name = "My Board"'), "small letters"),
        (('name = "mine"', 'name = "mine"\nthread = 1'), "unknown key"),
        (("[budgets]", "[runtime]\nthread = 2\n[budgets]"), "did you mean 'threads'"),
        (
            ("[budgets]", '[runtime]\nname = "onnx-runtime"\n[budgets]'),
            "did you mean 'onnxruntime'",
        ),
        (
            ("[budgets]", '[runtime]\nproviders = ["XNNPACKExecutionProvider"]\n[budgets]'),
            "runs onnxruntime with CPUExecutionProvider; leave the others out",
        ),
        (
            ("[budgets]", '[runtime]\nname = "litert"\nproviders = ["GPU"]\n[budgets]'),
            "runs litert with none",
        ),
        (("[budgets]", "[quantization]\nscheme = 8\n[budgets]"), "scheme: 8; expected"),
        (("[budgets]", '[hardware]\ncores = [{core = "a", mgz = 1}]\n[budgets]'), "'mhz'"),
        (("[budgets]", '[hardware]\nisa = ["sve"]\nisa_absent = ["sve"]\n[budgets]'), "both name"),
        (("[budgets]", "[budgets"), "not TOML"),
    ],
)
def test_a_wrong_profile_is_told_file_and_key(
    tmp_path: Path, change: tuple[str, str], says: str
) -> None:
    path = _write(tmp_path, MINIMAL.replace(*change))
    with pytest.raises(ProfileError, match=says) as caught:
        load_profile(path)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_missing_file_is_told_what_is_shipped(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="No such file") as caught:
        load_profile(tmp_path / "none.toml")
    assert "rpi5" in str(caught.value)


def test_every_metric_can_be_budgeted() -> None:
    rows = {name: {metric.side: 1} for name, metric in METRICS.items()}
    profile = DeviceProfile.model_validate({"schema": 1, "name": "all", "budgets": rows})
    assert {name: b.side for name, b in profile.budgets.items()} == {
        name: metric.side for name, metric in METRICS.items()
    }


@pytest.mark.parametrize(
    ("isa", "expected"),
    [
        ((), False),
        (("avx2", "fma"), False),
        (("avx512f",), False),
        (("avx512_vnni",), True),
        (("avx_vnni",), True),
        (("asimd",), False),
        (("asimd", "asimddp"), True),
    ],
)
def test_int8_dot_follows_from_the_flags(isa: tuple[str, ...], expected: bool) -> None:
    assert has_int8_dot(isa) is expected


@pytest.mark.parametrize("cores", ['"big"', '"cortex-a76"', "[0, 1]"])
def test_cores_are_numbers_or_a_name(tmp_path: Path, cores: str) -> None:
    path = tmp_path / "mine.toml"
    budgets = "[budgets]\nartifact_mb = {max = 3}\n"
    path.write_text(f'schema = 1\nname = "mine"\n[runtime]\ncores = {cores}\n{budgets}')
    assert load_profile(path).runtime.cores in ("big", "cortex-a76", (0, 1))


def test_cores_that_are_neither_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('schema = 1\nname = "mine"\n[runtime]\ncores = "Big!"\n[budgets]\nx = 1\n')
    with pytest.raises(ProfileError, match=r"runtime\.cores"):
        load_profile(path)
