"""What every runtime keeps to; subclass it, and name the runtime and its artifact."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from runtimes.artifact import MODEL_FILES, Artifact, read_artifact
from runtimes.errors import BackendError, InputError, UnsupportedError
from runtimes.session import RUNTIMES, Runtime, SessionOptions
from tests.runtimes.tiny import LABELS, feeds


class AvailabilityContract:
    """Hold what is true of a runtime whether or not it can be used here."""

    runtime: Runtime

    def test_is_registered_under_its_name(self) -> None:
        assert isinstance(RUNTIMES.resolve(self.runtime.name)(), type(self.runtime))

    def test_formats_are_known(self) -> None:
        assert self.runtime.formats
        assert set(self.runtime.formats) <= set(MODEL_FILES)

    def test_availability_gives_a_reason_or_a_version(self) -> None:
        ok, reason, version = self.runtime.availability()
        assert reason
        assert version or not ok


class RuntimeContract(AvailabilityContract):
    """Hold what is true of a runtime that can be used here."""

    @staticmethod
    def make(folder: Path) -> Artifact:
        """Make a small artifact of the runtime's format in a folder."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def artifact(cls, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
        return cls.make(tmp_path_factory.mktemp(cls.runtime.name))

    @pytest.mark.parametrize(("batch", "length"), [(1, 3), (1, 9), (4, 6), (3, 1)])
    def test_logits_have_a_row_a_text(self, artifact: Artifact, batch: int, length: int) -> None:
        with self.runtime.load(artifact, SessionOptions()) as session:
            logits = session.infer(feeds(batch, length))["logits"]
        assert logits.shape == (batch, len(LABELS))
        assert logits.dtype == np.float32
        assert np.isfinite(logits).all()

    def test_a_row_does_not_depend_on_its_neighbours(self, artifact: Artifact) -> None:
        many = feeds(4, 6)
        with self.runtime.load(artifact, SessionOptions()) as session:
            together = session.infer(many)["logits"]
            alone = [
                session.infer({name: rows[[i]] for name, rows in many.items()})["logits"][0]
                for i in range(4)
            ]
        np.testing.assert_allclose(together, alone, atol=1e-5)

    def test_the_mask_hides_padding(self, artifact: Artifact) -> None:
        short = feeds(1, 4)
        padded = {name: np.pad(rows, ((0, 0), (0, 3))) for name, rows in short.items()}
        with self.runtime.load(artifact, SessionOptions()) as session:
            expected = session.infer(short)["logits"]
            np.testing.assert_allclose(session.infer(padded)["logits"], expected, atol=1e-5)

    def test_is_deterministic(self, artifact: Artifact) -> None:
        rows = feeds(2, 7)
        with self.runtime.load(artifact, SessionOptions()) as session:
            first = session.infer(rows)["logits"].copy()
            np.testing.assert_array_equal(session.infer(rows)["logits"], first)

    def test_results_outlive_the_next_inference(self, artifact: Artifact) -> None:
        with self.runtime.load(artifact, SessionOptions()) as session:
            first = session.infer(feeds(1, 5))["logits"]
            kept = first.copy()
            session.infer(feeds(1, 6))
            np.testing.assert_array_equal(first, kept)

    @pytest.mark.parametrize("threads", [0, 1, 2])
    def test_threads_do_not_change_the_result(self, artifact: Artifact, threads: int) -> None:
        rows = feeds(2, 5)
        with self.runtime.load(artifact, SessionOptions(threads=1)) as session:
            expected = session.infer(rows)["logits"].copy()
        with self.runtime.load(artifact, SessionOptions(threads=threads)) as session:
            np.testing.assert_allclose(session.infer(rows)["logits"], expected, atol=1e-5)

    def test_names_its_tensors(self, artifact: Artifact) -> None:
        with self.runtime.load(artifact, SessionOptions()) as session:
            assert {spec.name for spec in session.inputs} == {"input_ids", "attention_mask"}
            assert all(spec.dtype == "int64" for spec in session.inputs)
            (output,) = session.outputs
        assert (output.name, output.dtype) == ("logits", "float32")
        assert isinstance(output.shape[0], str)
        assert output.shape[1] == len(LABELS)

    def test_refuses_feeds_that_do_not_fit(self, artifact: Artifact) -> None:
        good = feeds(1, 4)
        bad = [
            {},
            {**good, "extra": good["input_ids"]},
            {"input_ids": good["input_ids"]},
            {**good, "input_ids": good["input_ids"].astype(np.float32)},
            {**good, "input_ids": good["input_ids"].astype(np.int32)},
            {**good, "input_ids": good["input_ids"][0]},
        ]
        with self.runtime.load(artifact, SessionOptions()) as session:
            for rows in bad:
                with pytest.raises(InputError, match="expected"):
                    session.infer(rows)

    def test_refuses_inputs_of_different_lengths(self, artifact: Artifact) -> None:
        rows = {**feeds(1, 4), "attention_mask": np.ones((1, 9), dtype=np.int64)}
        with (
            self.runtime.load(artifact, SessionOptions()) as session,
            pytest.raises(InputError, match="different shapes"),
        ):
            session.infer(rows)

    def test_a_closed_session_says_so(self, artifact: Artifact) -> None:
        with self.runtime.load(artifact, SessionOptions()) as session:
            pass
        with pytest.raises(BackendError, match="closed"):
            session.infer(feeds(1, 4))

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
        with pytest.raises(InputError, match=broken.model_file.name.split(".")[0]):
            self.runtime.load(broken, SessionOptions())

    def test_refuses_another_device(self, artifact: Artifact) -> None:
        with pytest.raises(UnsupportedError, match="npu"):
            self.runtime.load(artifact, SessionOptions(device="npu"))
