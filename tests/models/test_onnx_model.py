"""ONNX graphs are run by a runtime that multiplies bytes right on this processor, or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import write_graph

from nertool.errors import NertoolError
from nertool.models import cpu
from nertool.models.onnx_model import require_onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

DEPTH = 36


def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """A product of bytes, by the node that dynamic INT8 has for it."""
    from onnx import TensorProto, helper, numpy_helper

    node = helper.make_node("MatMulInteger", ["left", "right", "left_zero", "right_zero"], ["product"])
    constants = {"right": right, "left_zero": np.uint8(128), "right_zero": np.int8(0)}
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("left", TensorProto.UINT8, ["rows", DEPTH])],
        [helper.make_tensor_value_info("product", TensorProto.INT32, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"left": left})[0])


@pytest.mark.parametrize("columns", [1, 7, 16, 17, 25, 31, 32, 33, 49, 63, 64])
def test_products_of_bytes_are_right_whatever_the_number_of_labels(columns: int) -> None:
    random = np.random.default_rng(columns)
    right = random.integers(-64, 64, (DEPTH, columns)).astype(np.int8)
    for rows in (1, 6, 32, 33, 100):
        left = random.integers(0, 256, (rows, DEPTH)).astype(np.uint8)
        assert np.array_equal(product(left, right), (left.astype(int) - 128) @ right.astype(int))


def test_a_runtime_that_multiplies_wrong_on_this_processor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "__version__", "1.23.2")
    monkeypatch.setattr(cpu, "flags", lambda: frozenset({"avx2", "amx_int8"}))
    with pytest.raises(NertoolError, match=r"ONNX Runtime 1\.23\.2 computes wrong INT8 products") as raised:
        require_onnx()
    assert "pip install" in raised.value.hint
    monkeypatch.setattr(cpu, "flags", lambda: frozenset({"avx2"}))
    require_onnx()


def test_the_runtime_keeps_nothing_of_its_own(tmp_path: Path) -> None:
    """Releases that report to their maker write a device id and what they are to send into the home directory."""
    (tmp_path / "home").mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "home")}
    code = "import sys; from nertool.models.load_tagger import load_tagger; load_tagger(sys.argv[1])"
    graph = write_graph(tmp_path / "quantized")
    subprocess.run([sys.executable, "-c", code, graph], check=True, env=environment)
    assert list((tmp_path / "home").rglob("*")) == []
