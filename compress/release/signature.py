"""Signatures by sigstore's model-signing with the user's own keys; no network is needed.

A signature is a Sigstore bundle with an in-toto statement over every signed file. The command
`model_signing verify key` of that package reads it too.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from compress.release.packages import released
from runtimes.artifact import Artifact, open_artifact
from runtimes.errors import ArtifactError, InputError
from runtimes.listed import MANIFEST

SIGNATURE = "model.sig"
"""The signature's name in a signed folder; a signed file's stands beside it, with `.sig`."""


def sign(path: Path, key: Path) -> Path:
    """Sign an artifact's folder or a file with a private key; return the signature's path.

    Raises ArtifactError for an artifact that is not as it was written, InputError for a key that is
    no unencrypted elliptic-curve key in PEM.
    """
    if not path.exists():
        raise ArtifactError(
            f"{path}: no such file or folder",
            expected="what is to be signed",
            action="check the path",
        )
    target = signature_of(path)
    fresh = target.with_name(f".{target.name}.new")
    try:
        _signer(key).set_hashing_config(_hashing(path)).sign(path, fresh)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    return target


def check_private_key(key: Path) -> None:
    """Raise InputError for a key that `sign` could not use."""
    _signer(key)


def _signer(key: Path) -> Any:
    try:
        return _package().signing.Config().use_elliptic_key_signer(private_key=key)
    except (ValueError, TypeError, AttributeError) as error:
        raise _no_key(key, "private", error) from error


def check_signature(path: Path, key: Path) -> None:
    """Raise ArtifactError unless a folder or a file is as the key's owner signed it.

    Of a folder the manifest and all files that it lists must be signed. InputError for a key that
    is none.
    """
    verifying = _package().verifying
    signature = signature_of(path)
    if not signature.is_file():
        raise ArtifactError(
            f"{path}: not signed",
            expected=f"the signature {signature}",
            action=f"sign it: edgepress sign {path} --key PRIVATE_KEY",
        )
    try:
        config = verifying.Config().use_elliptic_key_verifier(public_key=key)
    except (ValueError, TypeError, AttributeError) as error:
        raise _no_key(key, "public", error) from error
    try:
        with redirect_stdout(sys.stderr):
            config.set_hashing_config(_hashing(path)).verify(path, signature)
    except Exception as error:  # of a forged file: errors of cryptography, protobuf, json, pydantic
        raise ArtifactError(
            f"{path}: not as the owner of {key} signed it ({str(error) or type(error).__name__})",
            expected="the signed files, and the public key of who signed them",
            action="fetch it again from where it was signed",
        ) from error


def signature_of(path: Path) -> Path:
    """Return where the signature of a folder or a file is."""
    return path / SIGNATURE if path.is_dir() else path.with_name(f"{path.name}.sig")


def _hashing(path: Path) -> Any:
    """Return what of a path is signed: a file, or the manifest and what it lists."""
    config = _package().hashing.Config()
    if not path.is_dir():
        return config
    artifact = open_artifact(path)
    return config.set_ignored_paths(paths=_others(artifact), ignore_git_paths=False)


def _others(artifact: Artifact) -> list[str]:
    """Return the paths of files in the folder that are no part of the artifact."""
    own = {MANIFEST, *artifact.files}
    found = (path for path in artifact.path.rglob("*") if path.is_symlink() or not path.is_dir())
    names = (path.relative_to(artifact.path).as_posix() for path in found)
    return [*(name for name in names if name not in own), SIGNATURE, f".{SIGNATURE}.new"]


def _package() -> Any:
    return released("a signature", "model_signing")


def _no_key(key: Path, kind: str, error: Exception) -> InputError:
    return InputError(
        f"{key}: not a {kind} key that can be used ({str(error).splitlines()[0][:120]})",
        expected=f"the {kind} half of an elliptic-curve key (P-256, P-384, P-521) as PEM,"
        " without a passphrase",
        action="openssl ecparam -name prime256v1 -genkey -noout -out key.pem;"
        " openssl ec -in key.pem -pubout -out key.pub",
    )
