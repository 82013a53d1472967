"""What a missing Neural Compressor, or one that does not work, is told to people."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from nertool.errors import NertoolError
from nertool.models.inc_model import require_inc


def test_a_package_that_is_not_there_has_no_pins_in_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optimum.intel", None)
    with pytest.raises(NertoolError, match="Neural Compressor is not installed") as error:
        require_inc()
    first, second = error.value.hint.split("; or ")
    assert first.endswith("nertool quantize --backend onnx")
    assert second == "install this one: pip install 'nertool[inc]'"


def test_a_package_that_does_not_work_is_told_with_the_versions_that_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optimum.intel", ModuleType("optimum.intel"))  # without what is imported from it
    with pytest.raises(NertoolError, match="no working Neural Compressor here.*transformers") as error:
        require_inc()
    assert "neural-compressor==" in error.value.hint and "--backend onnx" in error.value.hint
