"""A pack measures by itself: nothing of the machine that it runs on is used."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import runtimes
from compress.device.elf import read_elf
from compress.device.pack import Pack, build_pack
from compress.device.pack_layout import check_closed
from runtimes.errors import UnsupportedError
from runtimes.predict import open_predictor
from runtimes.process import HostProcess
from runtimes.worker import Worker, decoded
from tests.boards import MakePack
from tests.runtimes.tiny import TEXTS, tiny_onnx, tiny_tflite

NATIVE = os.uname().machine


@pytest.fixture(scope="module")
def pack(make_pack: MakePack) -> Pack:
    if NATIVE not in ("x86_64", "aarch64"):
        pytest.skip(f"no pack runs on {NATIVE}")
    return make_pack(NATIVE)


def test_it_answers_as_this_process_does_and_needs_nothing_around_it(
    pack: Pack, tmp_path: Path
) -> None:
    away = tmp_path / "a board's own folder"
    shutil.copytree(pack.folder, away / "pack")
    shutil.copytree(Path(runtimes.__file__).parent, away / "runtimes")
    artifact = tiny_onnx(tmp_path / "tiny")
    for folder, _, _ in os.walk(away / "pack"):
        Path(folder).chmod(0o555)
    asked = [{"do": "load", "row": TEXTS[0]}, {"do": "answers", "rows": TEXTS}, {"do": "facts"}]
    done = subprocess.run(
        [
            *("env", "-i", f"PYTHONPATH={away}", str(away / "pack" / "python")),
            *("-m", "runtimes.serve", f"--model={artifact.path}", "--runtime=onnxruntime"),
        ],
        input="".join(json.dumps(one) + "\n" for one in asked),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    for folder, _, _ in os.walk(away / "pack"):
        Path(folder).chmod(0o755)
    assert done.returncode == 0, done.stderr
    loaded, answered, facts = map(json.loads, done.stdout.splitlines())
    assert pack.contents["program"].endswith(loaded["python"].rpartition(".")[0])
    assert facts["arch"] == NATIVE
    answers = np.stack([decoded(answer) for answer in answered["answers"]])
    model = open_predictor(artifact.path)
    assert np.abs(answers - np.stack([model.answer(text) for text in TEXTS])).max() < 1e-6


def test_every_library_is_its_own(pack: Pack, tmp_path: Path) -> None:
    code = (
        "import numpy.random, onnxruntime, tokenizers, hashlib, ctypes, sys; "
        "print(open('/proc/self/maps').read()); print(sys.executable)"
    )
    done = subprocess.run([pack.python, "-c", code], capture_output=True, text=True, check=True)
    *maps, executable = done.stdout.splitlines()
    files = {line.split(maxsplit=5)[5] for line in maps if len(line.split(maxsplit=5)) == 6}
    assert [file for file in files if ".so" in file and not file.startswith(str(pack.folder))] == []
    assert executable == str(pack.python)


def test_children_do_not_inherit_its_libraries(pack: Pack) -> None:
    code = "import os, subprocess; print(subprocess.check_output(['env']).decode())"
    done = subprocess.run([pack.python, "-c", code], capture_output=True, text=True, check=True)
    assert "LD_" not in done.stdout
    assert str(pack.folder) not in done.stdout


def test_it_says_what_it_is_made_of_and_holds_the_licences(pack: Pack) -> None:
    contents = pack.contents
    assert contents["schema_version"] == 1
    assert contents["arch"] == NATIVE
    assert {"libc6", "libstdc++6"} <= {deb["name"] for deb in contents["debian"]}
    assert {wheel["name"] for wheel in contents["wheels"]} == {
        *("numpy", "onnxruntime", "tokenizers")
    }
    assert all(len(part["sha256"]) == 64 for part in contents["debian"] + contents["wheels"])
    licenses = pack.folder / "licenses"
    for deb in contents["debian"]:
        assert (licenses / deb["name"] / "copyright").is_file() or deb["name"] in {
            *("libgcc-s1", "libstdc++6")  # gcc-12-base has theirs
        }, deb["name"]
    assert (licenses / "common-licenses" / "LGPL-2.1").is_file()
    assert list(pack.folder.glob("lib/python3/dist-packages/numpy-*.dist-info/licenses/*"))


def test_it_has_no_tests_headers_or_tools(pack: Pack) -> None:
    site = pack.folder / "lib/python3/dist-packages"
    assert not list(site.rglob("tests"))
    assert not list(site.rglob("*.pyi"))
    assert not (site / "onnxruntime" / "transformers").exists()
    assert not list(site.rglob("libonnxruntime.so*"))
    assert pack.size_mb < 170


def test_a_missing_library_is_found_when_it_is_built(pack: Pack, tmp_path: Path) -> None:
    copy = tmp_path / "pack"
    shutil.copytree(pack.folder, copy)
    (copy / "lib" / "libz.so.1").unlink()
    with pytest.raises(UnsupportedError, match=r"needs libz\.so\.1"):
        check_closed(copy, NATIVE)
    with pytest.raises(UnsupportedError, match="made for"):
        check_closed(pack.folder, "armv7l")


@pytest.mark.slow
def test_a_pack_of_another_architecture_needs_no_emulator_to_build(make_pack: MakePack) -> None:
    pack = make_pack("aarch64")
    elf = read_elf(pack.folder / pack.contents["program"])
    assert elf is not None
    assert elf.arch == "aarch64"
    assert "libc.so.6" in elf.needed


@pytest.mark.slow
def test_a_platform_without_wheels_is_refused_before_anything_is_built(
    make_pack: MakePack,
) -> None:
    with pytest.raises(UnsupportedError, match=r"no version has a wheel for armv7l"):
        make_pack("armv7l")


@pytest.mark.slow
def test_a_pack_of_litert_answers(make_pack: MakePack, tmp_path: Path) -> None:
    pack = make_pack(NATIVE, "litert")
    away = tmp_path / "board"
    shutil.copytree(Path(runtimes.__file__).parent, away / "runtimes")
    artifact = tiny_tflite(tmp_path / "tiny")
    words = ["-m", "runtimes.serve", f"--model={artifact.path}", "--runtime=litert"]
    started = HostProcess([str(pack.python), *words], {"PYTHONPATH": str(away)})
    with Worker(started, "the pack") as worker:
        assert worker.ask("load", 60, row=TEXTS[0])["runtime"] == "litert"
        answered = worker.ask("answers", 60, rows=TEXTS)["answers"]
    model = open_predictor(artifact.path)
    answers = np.stack([decoded(answer) for answer in answered])
    assert np.abs(answers - np.stack([model.answer(text) for text in TEXTS])).max() < 1e-6
    assert not list(pack.folder.rglob("libLiteRtWebGpu*"))


@pytest.mark.parametrize(
    ("runtime", "why"),
    [("torch", "larger than 400 MB"), ("executorch", "needs torch"), ("tensorrt", "tensorrt")],
)
def test_a_runtime_without_a_pack_is_refused_before_any_download(runtime: str, why: str) -> None:
    with pytest.raises(UnsupportedError, match=rf"{runtime}.*{why}|{why}"):
        build_pack("aarch64", runtime)


def test_an_unknown_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="riscv64"):
        build_pack("riscv64", "onnxruntime")
