"""A container image of three layers: Debian's Python with its C library, the packages, the model.

There is no shell and no package manager in it, and nothing runs as root.
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from compress.device.pack import Pack, build_pack
from compress.device.pack_layout import LIBRARIES, LICENSES, PROGRAMS, SITE
from compress.device.pack_parts import LOADERS
from compress.package.archive import files_of
from compress.package.cloudrun import SERVER
from compress.package.folder import add_function
from compress.package.layout import Laid, Layout, Material, Settled
from compress.package.oci import Layer, layer_of, write_image
from compress.package.targets import Target
from compress.progress import Progress
from compress.release.bom import Library
from runtimes.files import folder_bytes, write_text

IMAGE = "image"
_APP = "app"
_PACK = "onnxruntime"
"""The runtime of the pack that gives Python: its libraries are all that any of the wheels needs."""

_USER = 65_532
"""The user without rights of distroless images; no such user exists on common hosts."""

_PASSWD = f"root:x:0:0:root:/:/sbin/nologin\nmodel:x:{_USER}:{_USER}:model:/app:/sbin/nologin\n"
_GROUP = f"root:x:0:\nmodel:x:{_USER}:\n"


class Image(Layout):
    """An OCI image layout: `skopeo copy oci:OUT/image:latest docker://…` pushes it."""

    def settle(self, target: Target, progress: Progress) -> Settled:
        """Take the Python and the C library that this machine's Debian sources have."""
        pack = build_pack(target.arch, _PACK, progress=progress)
        version = Path(pack.contents["program"]).name.removeprefix("python")
        debs = pack.contents["debian"]
        libc = next(row["version"] for row in debs if row["name"] == "libc6")
        major, minor = (int(part) for part in libc.partition("-")[0].split("."))
        settled = dataclasses.replace(target, pythons=(version,), glibc=(major, minor))
        libraries = [
            Library(row["name"], row["version"], row["sha256"], kind="deb") for row in debs
        ]
        return Settled(settled, pack.folder, libraries)

    def write(self, material: Material, folder: Path) -> Laid:
        """Write the image to `image/`."""
        pack = build_pack(material.target.arch, _PACK)
        packages, model = material.scratch / "packages", material.scratch / "model"
        shutil.copytree(material.site, packages)
        model.mkdir()
        add_function(material.bundle, model)
        shutil.copyfile(Path(__file__).with_name("server.py"), model / SERVER)
        for part in (packages, model):
            material.compile(part)
        layers = [
            _base(pack, material.target.arch, material.scratch / "etc"),
            layer_of(_placed(packages, _APP), "edgepress: packages"),
            layer_of(_placed(model, _APP), "edgepress: model"),
        ]
        write_image(folder / IMAGE, material.target.arch, layers, _config(material))
        sizes = {"image": folder_bytes(folder / IMAGE)}
        return Laid((model, packages), sizes, image=IMAGE, starts=(Path(SERVER).stem,))


def _base(pack: Pack, arch: str, scratch: Path) -> Layer:
    """Return the layer of Python and its libraries, at the places where Debian has them.

    The loader looks for libraries in /usr/lib too, where all of the pack's lie.
    """
    kept = {str(LIBRARIES): "usr/lib", str(PROGRAMS): "usr/bin", str(LICENSES): "usr/share/doc"}
    files = {
        f"{place}/{file.relative_to(pack.folder / part).as_posix()}": file
        for part, place in kept.items()
        for file in files_of(pack.folder / part)
        if not file.relative_to(pack.folder).is_relative_to(SITE)
    }
    for name, text in {"passwd": _PASSWD, "group": _GROUP}.items():
        scratch.mkdir(exist_ok=True)
        write_text(scratch / name, text)
        files[f"etc/{name}"] = scratch / name
    links = {"lib": "usr/lib", "lib64": "usr/lib"}
    assert LOADERS[arch] in {Path(name).name for name in files}
    return layer_of(files, "edgepress: Python", links=links, folders={"tmp": 0o1777})


def _placed(folder: Path, place: str) -> dict[str, Path]:
    return {f"{place}/{file.relative_to(folder).as_posix()}": file for file in files_of(folder)}


def _config(material: Material) -> dict[str, object]:
    return {
        "User": f"{_USER}:{_USER}",
        "ExposedPorts": {"8080/tcp": {}},
        "Env": ["PATH=/usr/bin", "PORT=8080", "LANG=C.UTF-8"],
        "Entrypoint": [f"/usr/bin/python{material.python}", "-I", "-u", f"/{_APP}/{SERVER}"],
        "WorkingDir": f"/{_APP}",
        "StopSignal": "SIGTERM",
        "Labels": {
            "org.opencontainers.image.title": "A model that edgepress packaged",
            "org.edgepress.bundle": material.bundle.digest,
        },
    }
