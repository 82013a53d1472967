"""The files of a model's weights, looked at before a library opens them: which they are, and what numbers they hold."""

from __future__ import annotations

import json
import re
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from nertool.errors import NertoolError
from nertool.models.limits import HINT
from nertool.models.loading import WRONG
from nertool.models.other_tools import CONVERT, FORMS, INDEX, missing_weights
from nertool.workspace.digests import read_json
from nertool.workspace.names import is_inside, join_names

LONGEST_HEADER = 100_000_000
"""Bytes of the header of a safetensors file, beyond which the library reads none."""
POINTER = b"version https://git-lfs"
"""Beginning of what Git leaves where a large file was not fetched."""
NO_FRACTIONS = re.compile(r"[IU]\d+|F[468](_.*)?|BOOL|C64|torch\.(q?u?int\d+|bool|complex\d+|float[48]_.*)")
"""Types of numbers that stand for others, by a scale that is kept elsewhere, or that no weight has."""
CONSTANTS = re.compile(r"(^|\.)(attn|attention|transformer)\.(masked_)?bias$|(_ids|mask|_index|num_batches_tracked)$")
"""Tensors of such types that are no weights: masks, numbers of positions, counters."""
MOST_UNPACKED = 2
"""Bytes that an archive of weights may unpack to, for each of its own; PyTorch packs none."""


def check_weight_files(name: str, config: Any) -> None:
    """Check that a directory has all files of its weights, inside it, and that they hold the weights themselves.

    What is damaged within them is left to the library that reads them.

    Args:
        name: directory; nothing is looked at for a name on a hub.
        config: of the model; one that says how its weights were quantized lets the library read them.

    Raises:
        NertoolError: a file is missing, is none, or lies elsewhere; or holds no fractions.
    """
    directory = Path(name)
    for path in weight_files(directory) if directory.is_dir() else []:
        with path.open("rb") as file:
            if file.read(len(POINTER)) == POINTER:
                raise NertoolError(
                    f"{path} is a pointer of Git LFS, and not the weights", f"Fetch them: git -C {directory} lfs pull"
                )
        if path.suffix == ".safetensors":
            header = _header(path)
            if header:
                _check_writer(path, header.pop("__metadata__", None))
            types = {name: str(tensor.get("dtype")) for name, tensor in header.items() if isinstance(tensor, dict)}
        else:
            types = _archive_types(path)
        odd = {
            name: kind for name, kind in types.items() if NO_FRACTIONS.fullmatch(kind) and not CONSTANTS.search(name)
        }
        if odd and not getattr(config, "quantization_config", None):
            kinds = join_names(sorted({*odd.values()}))
            raise NertoolError(
                f"{path} holds {join_names([*odd])} in {kinds}, quantized by another tool",
                "Take the model in FP32, FP16 or BF16, and make it small: nertool quantize.",
            )


def weight_files(directory: Path) -> list[Path]:
    """The files that transformers takes the weights from.

    Raises:
        NertoolError: one is missing, or is none.
    """
    for name in FORMS:
        if (directory / name).exists():
            return [directory / name]
        index = directory / f"{name}{INDEX}"
        if index.exists():
            return _parts(index)
    raise missing_weights(directory)


def _parts(index: Path) -> list[Path]:
    """The files that an index names."""
    try:
        names = sorted({*read_json(index)["weight_map"].values()})
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise NertoolError(f"{index} names no files of weights: {type(error).__name__}: {error}", HINT) from error
    for name in names:
        if not is_inside(name) or "/" in name:
            raise NertoolError(f"{index} names a file outside its directory: {name!r}", HINT)
    missing = [name for name in names if not (index.parent / name).exists()]
    if missing:
        what = f"{index} names {len(names)} files of weights, of which {join_names(missing)} "
        raise NertoolError(
            f"{what}{'is' if len(missing) == 1 else 'are'} not there",
            "Fetch what is missing from where it was published.",
        )
    return [index.parent / name for name in names]


def _header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file; empty where it is damaged.

    Source: https://github.com/huggingface/safetensors#format
    """
    header: Any = None
    with path.open("rb") as file, suppress(ValueError, RecursionError):
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length)) if length <= LONGEST_HEADER else None
    return header if isinstance(header, dict) else {}


def _check_writer(path: Path, metadata: Any) -> None:
    """Check that the library finds out for whom a safetensors file was written, as transformers 4 insists on.

    Raises:
        NertoolError: the file does not say it, or it was written for TensorFlow or Flax.
    """
    import transformers

    writer = metadata.get("format") if isinstance(metadata, dict) else None
    if writer in ("tf", "flax"):
        raise NertoolError(f"{path} holds weights for {writer}, and not for PyTorch", CONVERT.format(f"from_{writer}"))
    if writer is None and transformers.__version__ < "5":
        raise NertoolError(
            f"{path} does not say for whom it was written, and transformers {transformers.__version__} insists on that",
            "Write it anew by safetensors.torch: save_file(load_file(OLD), NEW, {'format': 'pt'}).",
        )


def _archive_types(path: Path) -> dict[str, str]:
    """The types of the tensors in a file of PyTorch, by their names; empty where it is damaged or old.

    Raises:
        NertoolError: it unpacks to much more than it is.
    """
    import torch

    if not zipfile.is_zipfile(path):
        return {}
    tensors: Any = None
    with suppress(*WRONG, zipfile.BadZipFile, OSError, ValueError):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MOST_UNPACKED * path.stat().st_size:
            raise NertoolError(f"{path} unpacks to {unpacked / 1e9:,.3f} GB, and PyTorch packs no weights", HINT)
        tensors = torch.load(path, map_location="meta", weights_only=True, mmap=True)
    if not isinstance(tensors, dict):
        return {}
    return {str(name): str(each.dtype) for name, each in tensors.items() if isinstance(each, torch.Tensor)}
