"""One error tree for the whole project; each class knows its exit code.

EdgepressError                5  the tool itself failed
├── InputError                2  the user can correct it
│   ├── RecipeError              a recipe key, value or combination
│   ├── DataError                rows, columns, labels, files of text
│   ├── ArtifactError            a model folder or file
│   ├── ProfileError             a device profile
│   ├── UnknownNameError         a name that no registry has
│   └── UnsupportedError         a real thing that this architecture or runtime lacks
│       └── MissingPackageError  a package that is not installed
├── DeviceError               4  the device is another one, or cannot be reached
├── BackendError              5  a runtime's own exception, translated at its border
│   ├── AnswerError           1  the model ran, and its answers are none
│   └── OutOfMemoryError      1  the model needs more memory than the device has
└── QualityError              5  a stage's result is not fit to be used
"""

from __future__ import annotations

from runtimes.lean_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

_NEXT = "  next:      "
_ALONE = "run the model alone: `edgepress predict`, or predict.py in its bundle"


class EdgepressError(Exception):
    """Say what was received, expected and available, and always what to do next."""

    exit_code = 5

    def __init__(
        self,
        received: str,
        *,
        action: str,
        expected: str | None = None,
        available: str | None = None,
    ) -> None:
        self.received = received
        self.expected = expected
        self.available = available
        self.action = action
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """List the error's parts, one printed line each."""
        parts = [self.received]
        parts += [f"  expected:  {self.expected}"] if self.expected else []
        parts += [f"  available: {self.available}"] if self.available else []
        return [*parts, f"{_NEXT}{self.action}"]


class InputError(EdgepressError):
    """Report something that the user can correct."""

    exit_code = 2


class RecipeError(InputError):
    """Report a recipe key, value or combination."""


class DataError(InputError):
    """Report a problem in the rows, columns, labels or files of text."""


class ArtifactError(InputError):
    """Report a model folder or file that is missing, foreign or damaged."""


class ProfileError(InputError):
    """Report a device profile that is missing or malformed."""


class UnsupportedError(InputError):
    """Report a combination that this architecture, runtime or build does not support."""


class MissingPackageError(UnsupportedError):
    """Report a `package` that is not installed."""

    def __init__(self, received: str, *, package: str, action: str) -> None:
        self.package = package
        super().__init__(received, action=action)


class UnknownNameError(InputError):
    """Report a name that no registry has, and suggest the nearest one.

    Other packages can add names to an `extensible` registry.
    """

    def __init__(
        self, kind: str, name: str, known: Iterable[str], *, extensible: bool = False
    ) -> None:
        names = sorted(known)
        near = suggest(name, names)
        other = f"give a {kind} that is there"
        other += ", or install the package that brings it" if extensible else ""
        super().__init__(
            f"unknown {kind} {name!r}",
            available=", ".join(names) or "none",
            action=f"did you mean {near!r}?" if near else other,
        )


class DeviceError(EdgepressError):
    """Report a device that is another one than the profile's, or out of reach.

    `reason` says so without the names of hosts, users and folders: reports are published.
    """

    exit_code = 4

    def __init__(
        self,
        received: str,
        *,
        action: str,
        expected: str | None = None,
        available: str | None = None,
        reason: str = "it cannot be used; the terminal said why",
    ) -> None:
        super().__init__(received, action=action, expected=expected, available=available)
        self.reason = reason

    @classmethod
    def of(
        cls,
        device: str,
        reason: str,
        *,
        action: str,
        said: str = "",
        expected: str | None = None,
        available: str | None = None,
    ) -> Self:
        """Return the error of a named device; `said` is what its client or itself said."""
        return cls(
            f"{device}: {reason} ({said})" if said else f"{device}: {reason}",
            action=action,
            expected=expected,
            available=available,
            reason=reason,
        )


class BackendError(EdgepressError):
    """Carry a runtime's own exception in this error tree."""

    @classmethod
    def relayed(cls, text: str) -> Self:
        """Return the error that another process, or stored samples, give as printed lines."""
        received, _, action = text.rpartition(f"\n{_NEXT}")
        return cls(received or text, action=action if received else _ALONE)


class AnswerError(BackendError):
    """Refuse a model whose answers are none: not finite, of another shape, or all the same."""

    exit_code = 1

    def of(self, model: str) -> AnswerError:
        """Return the error with the model's name before it."""
        return AnswerError(
            f"{model}: {self.received}",
            expected=self.expected,
            available=self.available,
            action=self.action,
        )


class OutOfMemoryError(BackendError):
    """Report a model that needs more memory than its device, or its limit, has.

    `rss_peak_mb` is the most that the process held, None where it ended without a word.
    `memory_limit` is what held it to less than the device has, empty where nothing did.
    """

    exit_code = 1
    rss_peak_mb: float | None = None
    memory_limit: str = ""


class QualityError(EdgepressError):
    """Refuse a stage's result that is not good enough to use."""


def suggest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name nearest to `name`, if one is near."""
    import difflib  # imported only on an error: it slows the start on a device

    near = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.55)
    return near[0] if near else None


def unexpected(error: BaseException) -> BackendError:
    """Return the error that carries what no border expected, where no traceback is shown."""
    return BackendError(
        f"{type(error).__name__}: {first_line(error)}",
        action="try it with another text; where that fails too, make the model again",
    )


def first_line(error: BaseException) -> str:
    """Return the first informative line of a vendor's message, shortened.

    OpenVINO's messages begin with its source files and the condition that failed.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return next(iter(telling or lines), type(error).__name__)[:300]
