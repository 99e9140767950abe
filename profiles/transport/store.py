"""The folder that edgepress keeps on a device: files by their content, and trees made of them.

objects/SHA256         a file's content, whole and checked
incoming/SHA256        a file that is not yet whole; a later transfer goes on with it
trees/DIGEST/NAME/…    a folder or file, as links to its contents
python                 the command that starts Python there: `edgepress device setup` or `pack`
lock/                  see profiles.transport.lock
"""

from __future__ import annotations

import shlex
import tarfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import PurePosixPath
from typing import IO

from profiles.transport.listing import Item, Listing
from profiles.transport.shell import Shell, call, in_sh
from runtimes.errors import DeviceError

MARK = ".edgepress-device"
"""The file that marks a device's folder as edgepress's own, which `clean` may delete."""

_SMALL = 256 * 1024
"""Smaller files travel together; a larger one alone, so that a broken transfer can go on."""
_SLOWEST_BYTES_S = 50_000
_BLOCK = 4096
_CHUNK = 1 << 16

Sent = Callable[[int], None]


class Store:
    """Put files into the folder `root` of a device, each content once."""

    def __init__(self, shell: Shell, root: PurePosixPath) -> None:
        self._shell = shell
        self._root = root
        self._there: set[str] = set()

    def put(self, listing: Listing, sent: Sent) -> PurePosixPath:
        """Return the place of a tree on the device; send only contents that it lacks.

        Raises DeviceError when the device is gone, its disk is full or what arrives is damaged.
        """
        place = self._root / "trees" / listing.digest / listing.name
        if listing.digest not in self._there:
            missing = self._missing(listing)
            if missing is not None:
                self._send(missing, sent)
                self._assemble(listing)
            self._there.add(listing.digest)
        return place

    def get(self, place: str, write: Callable[[bytes], object]) -> None:
        """Read a file or folder of the device as a tar archive; raise DeviceError without one."""
        path = PurePosixPath(place)
        process = self._shell.start(
            in_sh(
                f"cd {shlex.quote(str(path.parent))} && tar -cf - {shlex.quote('./' + path.name)}"
            )
        )
        while content := process.stdout.read(_CHUNK):
            write(content)
        code, said = process.wait(30), process.said()
        process.close()
        if code is not None and (lost := self._shell.lost(code, said)):
            raise lost
        if code != 0:
            raise DeviceError(
                f"{self._shell.name}: {place} cannot be read ({_last(said)})",
                action="check the path, and whether this user may read it",
            )

    def _missing(self, listing: Listing) -> dict[Item, int] | None:
        """Return the contents that the device lacks, and the bytes of each that are there.

        None where the whole tree is there already.
        """
        tree = f"trees/{listing.digest}"
        output = self._script(
            f"[ -e {tree}/.whole ] && {{ echo whole; exit; }}\n"
            "mkdir -p objects incoming trees || exit 73\n"
            "while read -r sha; do [ -f objects/$sha ] || {\n"
            "  [ -f incoming/$sha ] && size=$(wc -c < incoming/$sha) || size=0\n"
            "  echo $sha $size; }\n"
            f"done {_rows(listing.contents)}"
            "df -Pk . 2>/dev/null | tail -n 1 | { read -r disk all used free rest\n"
            "  case ${free:-unknown} in *[!0-9]*) ;; *) echo free $free;; esac; }\n"
        )
        if output.strip() == "whole":
            return None
        rows_there = [line.split() for line in output.splitlines()]
        found = {sha: int(size) for sha, size in rows_there if sha != "free"}
        free = next((int(kib) * 1024 for word, kib in rows_there if word == "free"), None)
        missing = {listing.contents[sha]: size for sha, size in found.items()}
        needed = sum(_on_disk(item.size) - size for item, size in missing.items())
        if free is not None and needed > free:
            raise DeviceError(
                f"{self._shell.name}: {free / 1e6:.1f} MB are free for {self._root}",
                expected=f"{needed / 1e6:.1f} MB for {listing.name}",
                reason=f"{free / 1e6:.1f} MB are free where {needed / 1e6:.1f} MB are needed",
                action="free some there (`edgepress device clean` deletes edgepress's own files),"
                " or name a folder on another disk: [transport] folder",
            )
        return missing

    def _send(self, missing: dict[Item, int], sent: Sent) -> None:
        if small := [item for item in missing if item.size < _SMALL]:
            self._stream("tar -xf - -C incoming", _tar(small, sent), sum(i.size for i in small))
        for item, there in missing.items():
            if item.size >= _SMALL:
                there = there if there <= item.size else 0
                how = ">>" if there else ">"
                write = _from(item, there, sent)
                self._stream(f"cat {how} incoming/{item.sha256}", write, item.size - there)
        if missing:  # without a name, sha256sum reads its stdin
            self._check([item.sha256 for item in missing])

    def _stream(self, command: str, write: Callable[[IO[bytes]], None], size: int) -> None:
        script = f"cd {shlex.quote(str(self._root))} && {command}"
        seconds = 60 + size / _SLOWEST_BYTES_S
        code, _, said = call(self._shell, script, seconds=seconds, write=write)
        if code:
            raise self._refused(said)

    def _check(self, names: Sequence[str]) -> None:
        """Move what arrived whole to its place; delete what did not, and raise DeviceError."""
        rows = "\n".join(names)
        output = self._script(
            "cd incoming || exit 73\n"
            f"xargs sha256sum <<'END' | while read -r sha name; do\n{rows}\nEND\n"
            "  if [ $sha = $name ]; then mv $name ../objects/; else rm -f $name; echo $name; fi\n"
            "done\n",
            seconds=600,
        )
        if damaged := output.split():
            raise DeviceError.of(
                self._shell.name,
                f"{len(damaged)} files arrived damaged",
                available="what was damaged is deleted",
                action="try again; where it happens again, check the device's storage and memory",
            )

    def _assemble(self, listing: Listing) -> None:
        """Link a tree together, under another name until it is whole."""
        folders = sorted({str(PurePosixPath(item.place).parent) for item in listing.items} - {"."})
        # ./ and IFS: a name may begin with a dash, begin or end with a space
        links = _rows(f"{item.sha256} ./{item.place}" for item in listing.items)
        runs = _rows(f"./{item.place}" for item in listing.items if item.executable)
        made = shlex.quote(f"./{listing.name}") if listing.is_folder else ""
        self._script(
            f"new=trees/.new-{listing.digest}; rm -rf $new; mkdir -p $new && top=$PWD && cd $new"
            " || exit 73\n"
            + (f"mkdir -p {made}\n" if made else "")
            + "".join(f"mkdir -p {shlex.quote(f'./{folder}')}\n" for folder in folders)
            + "while IFS= read -r row; do sha=${row%% *} place=${row#* }\n"
            '  ln "$top/objects/$sha" "$place" 2>/dev/null || cp "$top/objects/$sha" "$place" '
            "|| exit 73\n"
            f"done {links}"
            # Not by xargs: toybox's knows no quotes.
            f'while IFS= read -r place; do chmod 755 "$place"; done {runs}'
            f": > .whole && cd .. && rm -rf {listing.digest}"
            f" && mv .new-{listing.digest} {listing.digest}\n",
            seconds=600,
        )

    def _script(self, script: str, seconds: float = 60.0) -> str:
        """Run a script in the device's folder; raise DeviceError when it fails."""
        inside = f"cd {shlex.quote(str(self._root))} || exit 73\n{script}"
        code, output, said = call(self._shell, inside, seconds=seconds)
        if code:
            raise self._refused(said)
        return output

    def _refused(self, said: str) -> DeviceError:
        """Delete what is not whole, so that a full disk has its room again; return the error."""
        with suppress(DeviceError):
            call(
                self._shell,
                f"cd {shlex.quote(str(self._root))} && rm -rf incoming trees/.new-*",
                seconds=300,
            )
        full = next(filter(is_full, said.splitlines()), "")
        return DeviceError(
            f"{self._shell.name}: {self._root} cannot be written ({_last(full or said)})",
            available="what did not arrive whole is deleted there" if full else None,
            action="free some space there: `edgepress device clean` deletes edgepress's own files"
            if full
            else "check the folder's permissions, or name another: [transport] folder",
            reason="its disk is full" if full else "its folder cannot be written",
        )


def is_full(said: str) -> bool:
    """Tell whether a device's program said that it has no room for a file."""
    return "No space left" in said or "Disk quota exceeded" in said


def _on_disk(size: int) -> int:
    """Return how much of a disk a file takes, in bytes: whole blocks."""
    return -(-size // _BLOCK) * _BLOCK


def _rows(lines: Iterable[str]) -> str:
    """Return lines as what a shell command reads."""
    return "".join(["<<'END'\n", *(f"{line}\n" for line in lines), "END\n"])


def _tar(items: Sequence[Item], sent: Sent) -> Callable[[IO[bytes]], None]:
    def write(stdin: IO[bytes]) -> None:
        with tarfile.open(fileobj=stdin, mode="w|", format=tarfile.USTAR_FORMAT) as archive:
            for item in items:
                entry = tarfile.TarInfo(item.sha256)
                content = item.source.read_bytes()
                entry.size = len(content)
                archive.addfile(entry, BytesIO(content))
                sent(len(content))

    return write


def _from(item: Item, first: int, sent: Sent) -> Callable[[IO[bytes]], None]:
    def write(stdin: IO[bytes]) -> None:
        with item.source.open("rb") as content:
            content.seek(first)
            while chunk := content.read(_CHUNK):
                stdin.write(chunk)
                sent(len(chunk))

    return write


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
