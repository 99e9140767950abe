"""Signatures and signed verdicts: checked in an empty environment, refused after a change."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from compress.cli.main import run
from compress.run.bundle import write_bundle
from tests.absent import needs
from tests.compress.brief_tier import shorten
from tests.runtimes.sealed import rewritten
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx


def make_key(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a private and a public key of P-256."""
    needs("cryptography")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, public


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_key(tmp_path_factory.mktemp("keys"), "key")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, keys: tuple[Path, Path]) -> Path:
    needs("model_signing")
    folder = tmp_path_factory.mktemp("signed")
    bundle = write_bundle(tiny_onnx(folder / "model"), folder / "bundle")
    assert run(["sign", str(bundle), "--key", str(keys[0])]) == 0
    return bundle


@pytest.fixture
def signed(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "elsewhere"))


def verified(folder: Path, key: Path) -> subprocess.CompletedProcess[str]:
    """Run `edgepress verify` in a process that has no cache, no home and no network."""
    home = folder.parent / "empty"
    home.mkdir(exist_ok=True)
    command = ["-c", "from compress.cli.main import main; main()"]
    paths = [place for place in sys.path if place]
    return subprocess.run(
        [sys.executable, *command, "verify", str(folder), "--key", str(key)],
        env={"HOME": str(home), "PYTHONPATH": os.pathsep.join(paths), "PATH": os.defpath},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_signature_holds_in_an_empty_environment_until_one_byte_changes(
    signed: Path, keys: tuple[Path, Path]
) -> None:
    done = verified(signed, keys[1])
    assert done.returncode == 0, done.stderr
    assert "signed   by the owner of" in done.stdout
    model = bytearray((signed / "model.onnx").read_bytes())
    model[len(model) // 2] ^= 1
    (signed / "model.onnx").write_bytes(model)
    done = verified(signed, keys[1])
    assert done.returncode == 2
    assert "model.onnx was changed" in done.stderr


def test_what_fits_its_manifest_and_not_the_signature_is_refused(
    signed: Path, keys: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """An attacker who knows edgepress writes a manifest that fits; the key is not his."""
    rewritten(signed, history=[])
    assert run(["verify", str(signed)]) == 0
    rewritten(signed, task_class="os:abort")
    assert run(["verify", str(signed), "--key", str(keys[1])]) == 2
    assert "not as the owner" in capsys.readouterr().err


def test_another_key_and_another_file_s_signature_are_refused(
    signed: Path, keys: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_key(tmp_path, "other")
    assert run(["verify", str(signed), "--key", str(other[1])]) == 2
    assert run(["sign", str(other[1]), "--key", str(keys[0])]) == 0
    # a signed file put into the folder, with its signature in place of the folder's
    shutil.copyfile(other[1], signed / "other.pub")
    shutil.copyfile(f"{other[1]}.sig", signed / "model.sig")
    assert run(["verify", str(signed), "--key", str(keys[1])]) == 2
    (signed / "model.sig").write_text("{}")
    assert run(["verify", str(signed), "--key", str(keys[1])]) == 2
    (signed / "model.sig").unlink()
    assert run(["verify", str(signed), "--key", str(keys[1])]) == 2
    assert "not signed" in capsys.readouterr().err


def test_stray_files_do_not_break_a_signature(signed: Path, keys: tuple[Path, Path]) -> None:
    (signed / "notes.txt").write_text("mine")
    (signed / "__pycache__").mkdir()
    (signed / "__pycache__" / "x.pyc").write_bytes(b"compiled")
    assert run(["verify", str(signed), "--key", str(keys[1])]) == 0


@pytest.mark.parametrize("content", ["", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n"])
def test_a_file_that_is_no_key_is_bad_input(
    signed: Path, tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_text(content)
    assert run(["sign", str(signed), "--key", str(tmp_path / "key")]) == 2
    assert run(["verify", str(signed), "--key", str(tmp_path / "key")]) == 2
    said = capsys.readouterr().err
    assert said.count("openssl ecparam") == 2
    assert "Traceback" not in said


def test_sign_prints_json(
    signed: Path, keys: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sign", str(signed), "--key", str(keys[0]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["signature"] == str(signed / "model.sig")


@pytest.mark.measured
def test_a_gate_demands_a_signature_and_signs_what_it_says(
    signed: Path,
    keys: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shorten(monkeypatch)
    rows, verdict, samples = (tmp_path / name for name in ("rows.csv", "v.json", "s.jsonl"))
    with rows.open("w", encoding="utf-8", newline="") as stream:
        lines = [(text, LABELS[place % 3]) for place, text in enumerate(TEXTS)]
        csv.writer(stream).writerows([("text", "label"), *lines])
    gate = ["gate", str(signed), "--data", str(rows), "--tier", "quick", "-q"]
    gate += ["--budget", "artifact_mb=50", "--require-signature", str(keys[1])]
    gate += ["--verdict", str(verdict), "--sign-key", str(keys[0]), "--samples", str(samples)]
    assert run(gate) == 0
    content = json.loads(verdict.read_text(encoding="utf-8"))
    names = [row["name"] for row in content["predicate"]["configuration"]]
    assert names == ["rows", "data rows.csv", "profile budgets", "samples s.jsonl"]
    assert content["predicate"]["passedTests"] == ["budgets/artifact_mb"]
    verify = ["verify", str(signed), "--key", str(keys[1]), "--verdict", str(verdict)]
    assert run(verify) == 0
    assert "verdict  PASS" in capsys.readouterr().out
    assert run(["card", str(signed), "--verdict", str(verdict)]) == 0
    assert "| budgets | artifact_mb | 50 |" in capsys.readouterr().out

    verdict.write_text(verdict.read_text(encoding="utf-8").replace("PASS", "FAIL", 1))
    assert run(verify) == 2
    (signed / "model.sig").unlink()
    assert run(gate) == 2
    assert "not signed" in capsys.readouterr().err
