"""Load and run ONNX graphs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from nertool.arrays import Array
from nertool.errors import NertoolError, command, require
from nertool.models import cpu
from nertool.models.graph_file import look_into

GRAPH = "model.onnx"
WANTED = "wanted"
"""Input of a graph that may be left out: 1 for each sub-word whose logits are read; shape (batch, subwords)."""
RIGHT_WITH_AMX = (1, 25)
"""First version whose products of 33 rows and more with 17 to 31 columns (of each 32) are right on AMX."""
SLOW_FUSIONS = ["SkipLayerNormFusion", "BiasGeluFusion", "MatMulAddFusion"]
"""On CPUs these kernels take longer than those that they stand for; the last one also takes products out of INT8."""
LARGEST = (1 << 31) - 1
"""Bytes of a graph, beyond which Protocol Buffers read none."""
SILENT = 4
"""The severity from which ONNX Runtime prints: its errors are raised, too, and it prints names as a graph has them."""
LOGITS = "logits"
"""Output of a graph."""


def require_onnx() -> None:
    """Check that what makes and runs ONNX graphs is here, and multiplies bytes right.

    Raises:
        NertoolError: it is not, or it does not on this processor.
    """
    require(["onnx"], "onnx", "--backend onnx")
    require_runtime("--backend onnx")


def require_runtime(what: str) -> None:
    """Check that what runs ONNX graphs is here, and multiplies bytes right.

    Args:
        what: needs it.

    Raises:
        NertoolError: it is not, or it does not on this processor.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else 1.32 keeps a device id and reports to its maker
    require(["onnxruntime"], "onnx", what)
    import onnxruntime

    onnxruntime.set_default_logger_severity(SILENT)
    version = tuple(map(int, onnxruntime.__version__.split(".")[:2]))
    if version < RIGHT_WITH_AMX and "amx_int8" in cpu.flags():
        raise NertoolError(
            f"ONNX Runtime {onnxruntime.__version__} computes wrong INT8 products on processors with AMX",
            "Install a newer one, which needs Python 3.11: pip install 'onnxruntime>=1.25'",
        )


class OnnxModel:
    """A graph, called with arrays as the model it was made from is with tensors; it runs on the CPU.

    Args:
        path: the ONNX file.

    Raises:
        NertoolError: ONNX Runtime is missing, or the file is not a graph.
    """

    def __init__(self, path: Path) -> None:
        require_runtime(str(path))
        import onnxruntime

        _check_file(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a batch; several batches are worked on at once
        options.log_severity_level = SILENT
        with translate_runtime_errors(path):
            self.session = onnxruntime.InferenceSession(
                path,
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=SLOW_FUSIONS,
                enable_fallback=False,  # it would tell about it on standard output
            )
        self.path = path
        self.inputs = [one.name for one in self.session.get_inputs()]
        self.takes_wanted = any(one.name == WANTED for one in self.session.get_overridable_initializers())

    on_cpu = True

    @property
    def threads(self) -> int:
        """How many batches are worked on at once."""
        return cpu.threads()

    def a_thread_each(self) -> AbstractContextManager[None]:
        """A block in which each batch has one thread, as it always has here."""
        return nullcontext()

    def __call__(self, **inputs: Any) -> dict[str, Array]:
        """The logits, of shape (batch, subwords, labels).

        Raises:
            NertoolError: the graph cannot be run, or gives something else.
        """
        values = {name: np.asarray(inputs[name]) for name in self.inputs}
        if WANTED in inputs:
            values[WANTED] = inputs[WANTED]
        with translate_runtime_errors(self.path):
            logits = self.session.run([LOGITS], values)[0]
        subwords = np.shape(inputs["input_ids"])
        if not isinstance(logits, np.ndarray) or logits.dtype.kind != "f" or logits.ndim != 3:
            raise _wrong(self.path, f"its {LOGITS} are not a number for each label of each sub-word")
        if logits.shape[:2] != subwords:
            raise _wrong(self.path, f"it gives {LOGITS} of {logits.shape[:2]} sub-words for {subwords}")
        return {LOGITS: logits}

    def at(self, inputs: Mapping[str, Array], rows: Sequence[int], positions: Sequence[int]) -> Array:
        """The logits of some sub-words, of shape (sub-words, labels); a graph may leave out the work for others.

        Args:
            inputs: of the model.
            rows: number in the batch of each sub-word's sentence.
            positions: its number there.
        """
        wanted = {}
        if self.takes_wanted:
            wanted[WANTED] = np.zeros_like(inputs["attention_mask"])
            wanted[WANTED][rows, positions] = 1
        logits: Array = self(**inputs, **wanted)[LOGITS][rows, positions]
        return logits


@contextmanager
def translate_runtime_errors(path: Path) -> Iterator[None]:
    """Turn what ONNX Runtime says of a graph into two lines.

    Raises:
        NertoolError: it is no graph, or cannot be run.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as raised

    kinds = (raised.Fail, raised.InvalidArgument, raised.InvalidGraph, raised.InvalidProtobuf, raised.NoSuchFile)
    try:
        yield
    except UnicodeDecodeError as error:  # of a name in the message
        raise _wrong(path, "a name in it is not UTF-8") from error
    except (*kinds, raised.NotImplemented, raised.RuntimeException) as error:
        raise _wrong(path, str(error).splitlines()[0]) from error


def _check_file(path: Path) -> None:
    """Check that a graph takes no weights out of files elsewhere, as it may by their names or through links, and ends.

    Of names with a slash, ONNX Runtime takes one for weights in memory, at an address that the graph says.

    Raises:
        NertoolError: it does, or may go on for ever, or is no graph.
    """
    if path.stat().st_size > LARGEST:
        raise _wrong(path, "it has more than 2 GiB, and no graph has")
    try:
        found = look_into(path)
    except ValueError as error:
        raise _wrong(path, str(error)) from error
    if found.repeats:
        raise _wrong(path, f"it has {found.repeats}, which may go on for ever, and quantize writes none")
    home = os.path.realpath(path.parent)
    for name in found.files:
        place = os.path.realpath(os.path.join(home, name)) if "\0" not in name else ""
        if "/" in name or not Path(place).is_relative_to(home):
            raise _wrong(path, f"it takes weights out of a file that is not beside it: {name!r}")


def _wrong(path: Path, reason: str) -> NertoolError:
    return NertoolError(
        f"{path} cannot be read: {reason}", f"Make it anew: {command(path.parent.parent, 'quantize', '--force')}"
    )
