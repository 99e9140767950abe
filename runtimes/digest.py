"""The digest of JSON values, with nothing that would slow a bundle's start."""

from __future__ import annotations

from runtimes.lean_json import dumps
from runtimes.lean_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


def stable_hash(value: Any) -> str:
    """Return the SHA-256 of a JSON-serializable value's canonical text."""
    return _sha256(dumps(value, ascii_only=False, canonical=True).encode())


def _sha256(content: bytes) -> str:
    """Return the digest of some kB, by Python's own module, which needs no OpenSSL."""
    try:
        from _sha2 import sha256  # type: ignore[import-not-found]
    except ImportError:  # Python 3.11 and older
        try:
            from _sha256 import sha256  # type: ignore[import-not-found]
        except ImportError:  # a Python that was built without it
            from hashlib import sha256
    digest: str = sha256(content).hexdigest()
    return digest
