"""The contract of every runtime: subclass it, and name the runtime and its artifact."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtimes.artifact import Artifact, read_artifact
from runtimes.errors import InputError
from runtimes.runtime import RUNTIMES, Opened, Runtime, model_files
from tests.runtimes.tiny import LABELS, feeds


class AvailabilityContract:
    """Check what holds for a runtime whether or not it can be used here."""

    runtime: Runtime

    def test_is_registered_under_its_name(self) -> None:
        assert isinstance(RUNTIMES.resolve(self.runtime.name)(), type(self.runtime))

    def test_every_format_names_the_file_that_is_opened(self) -> None:
        assert self.runtime.formats
        for form, files in self.runtime.formats.items():
            assert files[0] == model_files(form)[0]
            assert not set(files[0]) & set("*?[")

    def test_names_its_precisions_and_packages(self) -> None:
        assert self.runtime.precisions
        assert all(self.runtime.packages)

    def test_availability_gives_a_reason_or_a_version(self) -> None:
        ok, reason, version = self.runtime.availability()
        assert reason
        assert version or not ok

    def test_its_module_imports_no_backend(self) -> None:
        module = type(self.runtime).__module__
        heavy = {*self.runtime.packages, "torch", "onnx", "compress", "profiles"} - {"numpy"}
        code = f"import sys, {module}; print(sorted({heavy!r} & set(sys.modules)))"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]"


class RuntimeContract(AvailabilityContract):
    """Check what holds for a runtime that can be used here."""

    @staticmethod
    def make(folder: Path) -> Artifact:
        """Make a small artifact of the runtime's format in a folder."""
        raise NotImplementedError

    inputs: Mapping[str, str] = {"input_ids": "int64", "attention_mask": "int64"}

    @staticmethod
    def feeds(batch: int, length: int) -> dict[str, Any]:
        """Return arrays for the model's inputs: so many rows of so many tokens."""
        return feeds(batch, length)

    @pytest.fixture(scope="class")
    @classmethod
    def artifact(cls, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
        return cls.make(tmp_path_factory.mktemp(cls.runtime.name))

    @pytest.fixture(scope="class")
    @classmethod
    def opened(cls, artifact: Artifact) -> Opened:
        return cls.runtime.open(artifact.model_file, 1)

    @pytest.mark.parametrize(("batch", "length"), [(1, 3), (1, 9), (4, 6), (3, 1)])
    def test_logits_have_a_row_a_text(self, opened: Opened, batch: int, length: int) -> None:
        logits = np.asarray(opened.run(self.feeds(batch, length))["logits"])
        assert logits.shape == (batch, len(LABELS))
        assert logits.dtype == np.float32
        assert np.isfinite(logits).all()

    def test_a_row_does_not_depend_on_its_neighbors(self, opened: Opened) -> None:
        many = self.feeds(4, 6)
        together = np.asarray(opened.run(many)["logits"])
        alone = [
            np.asarray(opened.run({name: rows[[i]] for name, rows in many.items()})["logits"])[0]
            for i in range(4)
        ]
        np.testing.assert_allclose(together, alone, atol=1e-5)

    def test_the_mask_hides_padding(self, opened: Opened) -> None:
        short = self.feeds(1, 4)
        padded = {name: np.pad(rows, ((0, 0), (0, 3))) for name, rows in short.items()}
        expected = opened.run(short)["logits"]
        np.testing.assert_allclose(opened.run(padded)["logits"], expected, atol=1e-5)

    def test_takes_buffers_without_numpy(self, opened: Opened) -> None:
        for batch, length in ((1, 4), (3, 5)):
            rows = self.feeds(batch, length)
            buffers = {
                name: memoryview(bytes(a)).cast(a.dtype.char, a.shape) for name, a in rows.items()
            }
            expected = np.asarray(opened.run(rows)["logits"])
            logits = opened.run(buffers)["logits"]
            assert logits.shape == expected.shape
            assert logits.tolist() == expected.tolist()

    def test_is_deterministic(self, artifact: Artifact, opened: Opened) -> None:
        rows = self.feeds(2, 7)
        first = np.array(opened.run(rows)["logits"])
        np.testing.assert_array_equal(opened.run(rows)["logits"], first)
        again = self.runtime.open(artifact.model_file, 1)
        np.testing.assert_array_equal(again.run(rows)["logits"], first)

    def test_results_outlive_the_next_inference(self, opened: Opened) -> None:
        first = opened.run(self.feeds(1, 5))["logits"]
        kept = np.array(first)
        opened.run(self.feeds(1, 6))
        np.testing.assert_array_equal(first, kept)

    @pytest.mark.parametrize("threads", [0, 1, 2])
    def test_threads_do_not_change_the_result(
        self, artifact: Artifact, opened: Opened, threads: int
    ) -> None:
        rows = self.feeds(2, 5)
        expected = np.array(opened.run(rows)["logits"])
        other = self.runtime.open(artifact.model_file, threads)
        np.testing.assert_allclose(other.run(rows)["logits"], expected, atol=1e-5)

    def test_several_threads_may_call_it(self, opened: Opened) -> None:
        rows = [self.feeds(1, length) for length in range(3, 9)]
        expected = [np.array(opened.run(row)["logits"]) for row in rows]
        outputs: dict[int, list[bool]] = {}

        def call(caller: int) -> None:
            outputs[caller] = [
                bool(np.allclose(opened.run(row)["logits"], known, atol=1e-5))
                for row, known in zip(rows * 5, expected * 5, strict=True)
            ]

        callers = [threading.Thread(target=call, args=(caller,)) for caller in range(3)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert len(outputs) == 3
        assert all(all(same) for same in outputs.values())

    def test_names_itself_and_its_tensors(self, opened: Opened) -> None:
        assert opened.runtime == self.runtime.name
        assert opened.version
        assert {spec.name: spec.dtype for spec in opened.inputs} == self.inputs
        (output,) = opened.outputs
        assert (output.name, output.dtype) == ("logits", "float32")
        assert isinstance(output.shape[0], str)
        assert output.shape[1] == len(LABELS)

    def test_refuses_feeds_that_do_not_fit(self, opened: Opened) -> None:
        good = self.feeds(1, 4)
        name, *others = good
        bad = [
            {},
            {**good, "extra": good[name]},
            {other: good[other] for other in others},
            {**good, name: good[name].astype(np.float32)},
            {**good, name: good[name].astype(np.int32)},
            {**good, name: good[name][0]},
        ]
        for rows in bad:
            with pytest.raises(InputError, match="expected"):
                opened.run(rows)

    @pytest.mark.parametrize("damage", ["truncated", "garbage", "empty"])
    def test_refuses_a_damaged_file(self, artifact: Artifact, tmp_path: Path, damage: str) -> None:
        shutil.copytree(artifact.path, tmp_path / "copy")
        broken = read_artifact(tmp_path / "copy")
        content = broken.model_file.read_bytes()
        damaged = {
            "truncated": content[: len(content) // 2],
            "garbage": b"this is no model\n" * 40,
            "empty": b"",
        }
        broken.model_file.write_bytes(damaged[damage])
        with pytest.raises(InputError, match="copy"):
            self.runtime.open(broken.model_file, 1)
