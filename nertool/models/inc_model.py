"""Load INT8 models of Intel Neural Compressor, without unpickling anything but tensors."""

from __future__ import annotations

import json
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from nertool.errors import NertoolError, command, translate_odd_content
from nertool.models.loading import from_config
from nertool.progress import logger, silenced
from nertool.workspace.names import TABLE, versions

WEIGHTS = "pytorch_model.bin"
PINS = "optimum-intel[neural-compressor]==1.27.0 neural-compressor==3.7.1 transformers==4.45.2"


def require_inc() -> None:
    """Check that optimum has a Neural Compressor behind it.

    Raises:
        NertoolError: it has not; the hint holds the pins that mend it.
    """
    try:
        with silenced():
            from optimum.intel import INCQuantizer  # noqa: F401
    except (ImportError, RuntimeError) as error:
        packages = versions(["optimum-intel", "neural-compressor", "transformers"])
        found = ", ".join(f"{name} {number}" for name, number in packages.items())
        raise NertoolError(
            f"optimum has no working Neural Compressor here ({found}): {str(error).strip().splitlines()[0]}",
            f"Install the last set that works together: pip install 'nertool[inc]' (or {PINS}), or take --backend onnx",
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
    with silenced():
        from neural_compressor.utils.pytorch import load
        from transformers import AutoModelForTokenClassification

        try:
            weights = torch.load(path, map_location="cpu", weights_only=True)
        except UnpicklingError as error:
            raise NertoolError(
                f"{path} holds more than weights and is not loaded: it could run code",
                f"Make it anew: {command(directory.parent, 'quantize', '--force')}",
            ) from error
        config.torch_dtype = torch.float32
        empty = from_config(
            AutoModelForTokenClassification, config, str(directory), trust_remote_code=trust_remote_code
        )
        return load(weights, empty).eval()


def _tell_other_torch(directory: Path) -> None:
    """INT8 weights hold packed parameters, which another torch may read otherwise or not at all."""
    path = directory / TABLE
    with translate_odd_content(f"{path}", f"Make it anew: {command(directory.parent, 'quantize', '--force')}"):
        made = json.loads(path.read_text(encoding="utf-8")).get("versions", {}).get("torch")
    here = versions(["torch"])["torch"]
    if made and made != here:
        logger.warning("%s was made with torch %s, here is %s: compare its scores anew", directory, made, here)
