"""Which of several equal machines this is: a hash that names none."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

_APPLICATION = b"edgepress: the host of a measurement"


def host_id(root: Path = Path("/")) -> str | None:
    """Return a hash that tells this host from others of its kind, None where nothing does.

    It is keyed with the machine's id, which cannot be found from it (machine-id(5) asks for this).
    A container's own id belongs to its image, which many hosts run; there, and where there is no
    id, the kernel's boot id tells hosts apart until the next boot.
    """
    for path in _ids(root):
        try:
            own = path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if own and own != "uninitialized":
            return hmac.new(own.encode(), _APPLICATION, hashlib.sha256).hexdigest()[:16]
    return None


def _ids(root: Path) -> list[Path]:
    contained = (root / ".dockerenv").exists() or (root / "run/.containerenv").exists()
    boot = root / "proc/sys/kernel/random/boot_id"
    return [boot] if contained else [root / "etc/machine-id", boot]
