"""No backend is imported with its telemetry on, also when edgepress is used as a library."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BACKENDS = ("onnxruntime", "openvino", "nncf")
SWITCHES = ("quiet", "imported_quietly", "import_onnxruntime", "import_openvino")


def _backends(node: ast.AST) -> list[str]:
    """Return the backends that an import statement imports."""
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and not node.level:
        names = [node.module or ""]
    return [name for name in names if name.partition(".")[0] in BACKENDS]


def _switches(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SWITCHES
    )


def loud(tree: ast.AST) -> Iterator[int]:
    """Yield the lines of imports before which their function has not called a switch."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    quieted = {
        id(node)
        for function in functions
        for node in ast.walk(function)
        if _backends(node)
        and any(
            _switches(call) and call.lineno < node.lineno  # type: ignore[attr-defined]
            for call in ast.walk(function)
        )
    }
    for node in ast.walk(tree):
        if _backends(node) and id(node) not in quieted:
            yield node.lineno  # type: ignore[attr-defined]


@pytest.mark.parametrize("package", ["compress", "profiles", "runtimes"])
def test_every_import_of_a_backend_follows_the_switch(package: str) -> None:
    imports = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in sorted((ROOT / package).rglob("*.py"))
        for line in loud(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert imports == []


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("import onnxruntime", [1]),
        ("def f():\n    from onnxruntime.quantization import QuantType\n    quiet()", [2]),
        ("quiet()\ndef f():\n    import nncf as n", [3]),
        ("def f():\n    quiet()\n    from onnxruntime.quantization import QuantType", []),
        ("def f():\n    import numpy", []),
    ],
)
def test_the_check_sees_what_is_loud(code: str, lines: list[int]) -> None:
    assert list(loud(ast.parse(code))) == lines
