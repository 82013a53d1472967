"""A disk that gets full in any library's writer is two lines, and nothing is lost."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from faults.bench import Bench, check_file_limit, check_full

from nertool.errors import NertoolError
from nertool.workspace.disk_errors import full_disk, translate_disk_errors

SIZES = [0, 9_000, 30_000, 70_000, 110_000, 180_000, 300_000]
"""Bytes: too few for records, examples, weights, an optimizer's state, graphs, several models."""
WRITERS = {
    ("train", 9_000): "Arrow",
    ("train", 30_000): "safetensors",
    ("train", 180_000): "PyTorch's archive of tensors",
    ("train with TensorBoard", 0): "the log of TensorBoard",
    ("quantize", 70_000): "PyTorch, inside Neural Compressor",
    ("quantize with ONNX", 110_000): "ONNX",
    ("quantize with ONNX to static", 230_000): "ONNX, where it infers shapes",
}
"""Stage and bytes that are free -> who meets the full disk."""


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.parametrize(("call", "size"), WRITERS, ids=WRITERS.values())
def test_a_full_disk_is_told_whoever_writes(call: str, size: int, bench: Bench) -> None:
    pytest.importorskip("optimum.intel" if call == "quantize" else "onnxruntime")
    assert check_full(bench, call, size), "too much room to show anything"


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.parametrize(("call", "size"), [("train", 180_000), ("quantize with ONNX", 70_000)])
def test_a_limit_of_file_sizes_is_told(call: str, size: int, bench: Bench) -> None:
    pytest.importorskip("onnxruntime")
    assert check_file_limit(bench, call, size)


TOLD = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EFBIG, "File too large"),
    ValueError("Error while serializing: I/O error: No space left on device (os error 28)"),
    OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"),
    OSError("114 requested and 0 written"),
    RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 52736 vs 52624"),
    RuntimeError("basic_ios::clear: iostream error"),
]


@pytest.mark.parametrize("error", TOLD, ids=str)
def test_what_libraries_say_of_a_full_disk(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(NertoolError) as told, translate_disk_errors(tmp_path, "nothing was changed"):
        try:
            raise error
        except Exception as inner:
            raise RuntimeError("it did not work") from inner
    assert told.value.message.startswith(f"{tmp_path}: ") and told.value.message.endswith("; nothing was changed")
    assert told.value.hint.startswith("Make room")


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), OSError(errno.EIO, os.strerror(errno.EIO)), KeyboardInterrupt()]
)
def test_other_errors_stay_what_they_are(error: BaseException, tmp_path: Path) -> None:
    assert full_disk(error) == ""
    with pytest.raises(type(error)), translate_disk_errors(tmp_path):
        raise error
