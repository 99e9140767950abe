"""The quantization schemes: one row for each scheme and format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from runtimes.errors import UnsupportedError, suggest

Embeddings = Literal["int8", "int4", "fp32"]

NONE = "none"
"""The scheme that leaves the exported model unchanged."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """Describe how a scheme is written in a format, and the limits of the result.

    `algorithm` is "module:function". `largest` is the size of a result as a share of its fp32
    source's, with quantized embeddings. `embeddings` lists the allowed widths of embeddings, the
    default first; if empty, the scheme decides. A scheme that `excludes` can leave single nodes in
    fp32; one that `reduces_range` keeps 7 bits of a weight for a CPU without an 8-bit dot product;
    `one_token` can store the weights of one-token products in 4 bits. `advice` is what to try when
    the result is refused.
    """

    format: str
    name: str
    algorithm: str
    precision: str
    largest: float
    advice: str
    embeddings: tuple[Embeddings, ...] = ()
    excludes: bool = False
    reduces_range: bool = False
    one_token: bool = False


_DYNAMIC = "try embeddings = 'int8', weights = 'int8', or distill longer before"
_STATIC = "try scheme 'int8-dynamic', or more calibration rows"
_INT4 = "try block_size 16, embeddings = 'int8', or scheme 'int8-dynamic'"
_MOBILE = "try the onnx or ort format, or distill longer before"
_FP16 = "try scheme 'int8-dynamic'"

SCHEMES = (
    Scheme(
        *("onnx", "int8-dynamic", "compress.quantize.int8_dynamic:quantize"),
        *("int8", 0.55, _DYNAMIC),
        embeddings=("int8", "int4", "fp32"),
        excludes=True,
        reduces_range=True,
        one_token=True,
    ),
    Scheme(
        *("onnx", "int8-static", "compress.quantize.int8_static:quantize"),
        *("int8", 0.55, _STATIC),
        embeddings=("int8", "int4", "fp32"),
        excludes=True,
        reduces_range=True,
    ),
    Scheme(
        *("onnx", "int4-weight-only", "compress.quantize.int4_weight_only:quantize"),
        *("int4", 0.5, _INT4),
        embeddings=("int4", "int8", "fp32"),
    ),
    Scheme(
        *("onnx", "fp16", "compress.quantize.float16:quantize"),
        *("fp16", 0.6, _FP16),
    ),
    Scheme(
        *("openvino", "int8-dynamic", "compress.quantize.openvino_weights:quantize_int8"),
        *("int8", 0.55, _DYNAMIC),
    ),
    Scheme(
        *("openvino", "int8-static", "compress.quantize.openvino_static:quantize"),
        *("int8", 0.55, _STATIC),
        reduces_range=True,
    ),
    Scheme(
        *("openvino", "int4-weight-only", "compress.quantize.openvino_weights:quantize_int4"),
        *("int4", 0.5, _INT4),
        embeddings=("int8", "int4"),
    ),
    Scheme(
        *("openvino", "fp16", "compress.quantize.openvino_float16:quantize"),
        *("fp16", 0.6, _FP16),
    ),
    Scheme(
        *("tflite", "int8-dynamic", "compress.quantize.litert_dynamic:quantize"),
        *("int8", 0.8, _MOBILE),  # a graph for each length: half of a model of a few 100 kB
    ),
    Scheme(
        *("executorch", "int8-dynamic", "compress.quantize.executorch_pt2e:quantize_dynamic"),
        *("int8", 0.55, _MOBILE),
        embeddings=("int8", "fp32"),
    ),
    Scheme(
        *("executorch", "int8-static", "compress.quantize.executorch_pt2e:quantize_static"),
        *("int8", 0.55, _STATIC),
        embeddings=("int8", "fp32"),
    ),
)

NAMES = tuple(dict.fromkeys(row.name for row in SCHEMES))


def scheme_of(form: str, name: str) -> Scheme:
    """Return the row of a scheme on a format; NONE's row writes nothing and takes no settings.

    Raises UnsupportedError when the format has no such scheme.
    """
    if name == NONE:
        return Scheme(form, NONE, algorithm="", precision="fp32", largest=1.0, advice="")
    for row in SCHEMES:
        if (row.format, row.name) == (form, name):
            return row
    raise UnsupportedError(
        f"scheme {name!r} on format {form!r}",
        available=", ".join(sorted(row.name for row in SCHEMES if row.format == form)) or "none",
        action="choose another scheme, or export to another format",
    )


def known_scheme(name: str) -> str:
    """Return the name of a scheme; raise ValueError with the nearest name for an unknown one."""
    known = (*NAMES, NONE)
    if name in known:
        return name
    near = suggest(name, known)
    hint = f"; did you mean {near!r}?" if near else ""
    raise ValueError(f"no such scheme: {name!r}{hint} (known: {', '.join(known)})")


def schemes_text(rows: Sequence[Scheme]) -> str:
    """List schemes for an error: 'int8-dynamic' or 'int8-static' on onnx."""
    names = " or ".join(repr(row.name) for row in rows)
    return f"scheme {names} on {', '.join(dict.fromkeys(row.format for row in rows))}"
