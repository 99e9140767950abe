"""Seal an edited manifest again, so that its digest does not answer for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runtimes.digest import stable_hash
from runtimes.listed import MANIFEST
from tests.hostile.values import json_text


def write_sealed(folder: Path, content: dict[str, Any]) -> None:
    """Write a manifest with the digest of its content; text that UTF-8 cannot hold has none."""
    plain = {key: value for key, value in content.items() if key != "manifest_digest"}
    try:
        digest = stable_hash(plain)
    except UnicodeEncodeError:
        digest = ""
    (folder / MANIFEST).write_text(json_text({**plain, "manifest_digest": digest}))
