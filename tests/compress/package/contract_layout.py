"""What every layout of a package keeps: subclass it with the name of a target."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from pathlib import Path
from typing import ClassVar

import pytest

from compress.device.wheels import Wheel
from compress.package.archive import files_of
from compress.package.check import check_function
from compress.package.contents import verify_package, write_contents
from compress.package.folder import strip
from compress.package.interpreter import Interpreter
from compress.package.layout import NO_WISHES, Laid, Material, Wishes
from compress.package.targets import target_of
from runtimes.artifact import open_artifact, read_artifact
from runtimes.errors import ArtifactError
from tests.runtimes.tiny import TEXTS

WHEEL = Wheel("sample", "1.0", "sample-1.0-py3-none-any.whl", "0" * 64, None)


class LayoutContract:
    """Write one target's package of a tiny bundle."""

    target: ClassVar[str]
    wishes: ClassVar[Wishes] = NO_WISHES

    @pytest.fixture
    def material(
        self, tiny_bundle: Path, site: Path, here: Interpreter, tmp_path: Path
    ) -> Material:
        """Return what a package is made of; its Python is this one."""
        strip(site, "onnxruntime-c")
        target = target_of(self.target)
        python = target_of("zip").pythons[0]
        bundle = read_artifact(tiny_bundle)
        parts = (target, python, bundle, site, [WHEEL], here)
        return Material(*parts, scratch=self.scratch(tmp_path, "one"), wishes=self.wishes)

    def scratch(self, folder: Path, name: str) -> Path:
        """Make a folder for what is not part of the package."""
        made = folder / f"scratch-{name}"
        made.mkdir()
        return made

    @pytest.fixture
    def written(self, material: Material, tmp_path: Path) -> tuple[Path, Laid]:
        """Write the package."""
        folder = tmp_path / "written"
        folder.mkdir()
        return folder, material.target.opened().write(material, folder)

    def test_it_answers_as_the_bundle(
        self,
        written: tuple[Path, Laid],
        tiny_bundle: Path,
        packages: Path,
        here: Interpreter,
    ) -> None:
        _, laid = written
        with_packages = dataclasses.replace(laid, paths=(*laid.paths, packages))
        assert check_function(with_packages, tiny_bundle, TEXTS, here).rows == len(TEXTS)

    def test_it_holds_regular_files_the_bundle_and_the_licence(
        self, written: tuple[Path, Laid], tiny_bundle: Path
    ) -> None:
        folder, _ = written
        files = files_of(folder)
        assert not [file for file in files if file.is_symlink()]
        (bundle,) = {file.parent for file in files if file.name == "artifact.json"}
        assert open_artifact(bundle).digest == read_artifact(tiny_bundle).digest
        assert [file for file in files if file.name == "Apache-2.0.txt"]

    def test_its_sizes_are_positive_and_its_limits_are_among_them(
        self, written: tuple[Path, Laid], material: Material
    ) -> None:
        _, laid = written
        assert laid.sizes
        assert all(size > 0 for size in laid.sizes.values())

    def test_two_file_systems_umasks_times_and_zones_give_the_same_bytes(
        self,
        material: Material,
        written: tuple[Path, Laid],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        folder, _ = written
        memory = Path("/dev/shm")
        place = memory if os.access(memory, os.W_OK) else tmp_path
        other = place / f"edgepress-{os.getpid()}-{self.target}"
        other.mkdir()
        monkeypatch.setenv("TZ", "Pacific/Kiritimati")
        monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
        time.tzset()
        mask = os.umask(0o077)
        try:
            names = sorted(file.relative_to(material.site) for file in files_of(material.site))
            for name in reversed(names):  # another order of the folder, other times and modes
                file = other / "site" / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes((material.site / name).read_bytes())
                os.utime(file, (1, 1))
            again = dataclasses.replace(
                material, site=other / "site", scratch=self.scratch(other, "two")
            )
            (other / "out").mkdir()
            material.target.opened().write(again, other / "out")
            assert _contents(other / "out") == _contents(folder)
        finally:
            os.umask(mask)
            monkeypatch.undo()
            time.tzset()
            shutil.rmtree(other)

    def test_a_changed_file_is_found(self, written: tuple[Path, Laid]) -> None:
        folder, laid = written
        write_contents(folder, {"archives": dict(laid.archives), "image": laid.image})
        verify_package(folder)
        files = [file for file in files_of(folder) if file != folder / "manifest.json"]
        for file in (files[0], files[len(files) // 2], files[-1]):
            whole = file.read_bytes()
            file.write_bytes(whole + b"\0")
            with pytest.raises(ArtifactError, match="do not match"):
                verify_package(folder)
            file.write_bytes(whole)
        verify_package(folder)


def _contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files_of(folder)}
