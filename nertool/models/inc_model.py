"""Load INT8 models of Intel Neural Compressor, without unpickling anything but tensors."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from nertool.errors import NertoolError, command
from nertool.models.loading import check_loads, from_config, translate_wrong_files
from nertool.models.settings import read_table
from nertool.progress import logger, silenced
from nertool.workspace.names import versions

WEIGHTS = "pytorch_model.bin"
PINS = "optimum-intel[neural-compressor]==1.27.0 neural-compressor==3.7.1 transformers==4.45.2"


def require_inc() -> None:
    """Check that optimum has a Neural Compressor behind it.

    Raises:
        NertoolError: it has not; the hint names the other backend, and the pins that mend it.
    """
    try:
        with silenced():
            from optimum.intel import INCQuantizer  # noqa: F401
    except (ImportError, RuntimeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name in ("optimum", "optimum.intel"):
            what, pins = "--backend inc (the default): Neural Compressor is not installed", ""
        else:
            packages = versions(["optimum-intel", "neural-compressor", "transformers"])
            found = ", ".join(f"{name} {number}" for name, number in packages.items())
            what = f"optimum has no working Neural Compressor here ({found}): {error}"
            pins = f" (the last set that works together: {PINS})"
        raise NertoolError(
            what,
            "Take the faster backend: nertool quantize --backend onnx; "
            f"or install this one: pip install 'nertool[inc]'{pins}",
        ) from error


def load_int8(directory: Path, config: Any, trust_remote_code: bool = False) -> Any:
    """The INT8 module that `quantize` or `train_aware` wrote.

    Args:
        config: of the model.
        trust_remote_code: run code that comes with the model.

    Raises:
        NertoolError: Neural Compressor is missing, or the file holds more than tensors and their settings.
    """
    import torch

    require_inc()
    _tell_other_torch(directory)
    path = directory / WEIGHTS
    with silenced(), translate_wrong_files(str(directory)):
        from neural_compressor.utils.pytorch import load
        from transformers import AutoModelForTokenClassification

        from nertool.models.linear import with_linear_layers

        weights = _read_weights(path)
        trusted = {"trust_remote_code": trust_remote_code}
        config.torch_dtype = torch.float32
        check_loads(AutoModelForTokenClassification, config, str(directory), **trusted)
        empty = from_config(AutoModelForTokenClassification, config, str(directory), **trusted)
        return load(weights, with_linear_layers(empty)).eval()


def _read_weights(path: Path) -> dict[str, Any]:
    """The tensors and settings of a file; Neural Compressor would take a text in their place for another file's name.

    Raises:
        NertoolError: it holds anything else, or cannot be read.
    """
    import torch

    hint = f"Make it anew: {command(path.parent.parent, 'quantize', '--force')}"
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise NertoolError(f"{path} holds more than weights and is not loaded: it could run code", hint) from error
    except (EOFError, OSError, ValueError) as error:
        raise NertoolError(f"{path} cannot be read: {error}", hint) from error
    if not isinstance(weights, dict):
        raise NertoolError(f"{path} holds no weights, but a {type(weights).__name__}", hint)
    return weights


def _tell_other_torch(directory: Path) -> None:
    """INT8 weights hold packed parameters, which another torch may read otherwise or not at all."""
    made, here = read_table(directory).get("versions", {}).get("torch"), versions(["torch"])["torch"]
    if made and made != here:
        logger.warning("%s was made with torch %s, here is %s: compare its scores anew", directory, made, here)
