"""Load and run ONNX graphs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nertool.errors import NertoolError, command, require
from nertool.models import cpu

if TYPE_CHECKING:
    import torch

GRAPH = "model.onnx"
RIGHT_WITH_AMX = (1, 25)
"""First version whose products of 33 rows and more with 17 to 31 columns (of each 32) are right on AMX."""
SLOW_FUSIONS = ["SkipLayerNormFusion", "BiasGeluFusion"]
"""On CPUs these kernels take longer than those that they stand for."""


def require_onnx() -> None:
    """Check that what makes and runs ONNX graphs is here, and multiplies bytes right.

    Raises:
        NertoolError: it is not, or it does not on this processor.
    """
    require(["onnx", "onnxruntime"], "onnx", "--backend onnx")
    import onnxruntime

    version = tuple(map(int, onnxruntime.__version__.split(".")[:2]))
    if version < RIGHT_WITH_AMX and "amx_int8" in cpu.flags():
        raise NertoolError(
            f"ONNX Runtime {onnxruntime.__version__} computes wrong INT8 products on processors with AMX",
            "Install a newer one, which needs Python 3.11: pip install 'onnxruntime>=1.25'",
        )


class OnnxModel:
    """A graph, called as the model it was made from.

    Args:
        path: the ONNX file.

    Raises:
        NertoolError: ONNX Runtime is missing, or the file is not a graph.
    """

    def __init__(self, path: Path) -> None:
        require_onnx()
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as raised

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a batch; several batches are worked on at once
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW_FUSIONS
            )
        except (raised.Fail, raised.InvalidProtobuf, raised.InvalidGraph, raised.NoSuchFile) as error:
            raise NertoolError(
                f"{path} cannot be read: {str(error).splitlines()[0]}",
                f"Make it anew: {command(path.parent.parent, 'quantize', '--force')}",
            ) from error
        self.inputs = [one.name for one in self.session.get_inputs()]

    def parameters(self) -> Iterator[torch.Tensor]:
        """None: it runs on the CPU."""
        return iter(())

    def __call__(self, **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        """The logits, of shape (batch, subwords, labels)."""
        import torch

        values = {name: inputs[name].numpy() for name in self.inputs}
        return {"logits": torch.from_numpy(self.session.run(None, values)[0])}
