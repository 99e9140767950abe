"""Edit a manifest as an attacker or a foreign tool would: with its own digest made to fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runtimes.artifact import _described
from runtimes.contents import list_files
from runtimes.listed import MANIFEST, files_to_json
from runtimes.manifest import write_content


def rewritten(folder: Path, **changes: Any) -> None:
    """Replace fields of a folder's manifest; None removes one."""
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    content = {**content, **changes}
    del content["manifest_digest"]
    write_content(folder, {key: value for key, value in content.items() if value is not None})


def resealed(folder: Path) -> None:
    """Make a folder's manifest fit the files that lie there now."""
    rewritten(folder, files=files_to_json(list_files(folder)))
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    rewritten(folder, digest=_described(folder, content).digest)
