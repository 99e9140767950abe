"""Acme's runtime: ONNX Runtime on a model that is stored compressed."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from runtimes.errors import ArtifactError
from runtimes.packages import package_availability
from runtimes.runtime import Availability, Opened, TensorSpec

if TYPE_CHECKING:
    from _typeshed import StrPath

    from runtimes.runtime import Feeds, Outputs


class AcmeRuntime:
    """Open models of format "acme"."""

    name: ClassVar[str] = "acme"
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {"acme": ("model.onnx.gz",)}
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8")
    packages: ClassVar[tuple[str, ...]] = ("numpy", "onnxruntime")
    deployed: ClassVar[bool] = True

    def availability(self) -> Availability:
        """Tell whether onnxruntime is here."""
        return package_availability("onnxruntime")

    def open(self, model: StrPath, threads: int) -> Opened:
        """Decompress a model and open it."""
        import numpy as np
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            session = onnxruntime.InferenceSession(
                gzip.decompress(Path(model).read_bytes()), options
            )
        except Exception as error:
            raise ArtifactError(
                f"{model}: not an acme model", action="export the model again"
            ) from error
        names = [node.name for node in session.get_outputs()]

        def run(feeds: Feeds) -> Outputs:
            arrays = {name: np.asarray(tensor) for name, tensor in feeds.items()}
            return dict(zip(names, session.run(names, arrays), strict=True))

        return Opened(
            runtime=self.name,
            version=f"acme-{onnxruntime.__version__}",
            inputs=tuple(
                TensorSpec(n.name, "int64", ("batch", "sequence")) for n in session.get_inputs()
            ),
            outputs=tuple(TensorSpec(name, "float32", ("batch", "labels")) for name in names),
            run=run,
        )
