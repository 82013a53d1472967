"""Directories of models that nertool does not read: what other tools have written there, and what helps."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from nertool.errors import MissingInput, NertoolError, command
from nertool.models.limits import HINT
from nertool.workspace.names import QUANTIZED, RECORDS

FORMS = ("model.safetensors", "pytorch_model.bin")
"""Names of the files of weights, in the order in which transformers looks for them; `.index.json` behind one names its
parts."""
INDEX = ".index.json"
MODEL_HELP = "Name a directory that train or quantize has written."
SHOWN_INSIDE = 4
"""Directories that a hint names."""
OWN_TOOL = (
    "Tag with that tool, and score its tags: nertool score. Or fine-tune an encoder: nertool train --model minilm."
)
CONVERT = (
    "Convert them, with transformers 4 and that library: "
    "AutoModelForTokenClassification.from_pretrained(DIR, {}=True).save_pretrained(DIR)."
)
SOURCE = "Take the weights that it was made from: model.safetensors or pytorch_model.bin."

CONFIG_ERRORS = {
    "does not recognize this architecture": f"A newer transformers may know that type. {OWN_TOOL}",
    "Unrecognized model in": f"The config.json of a model of transformers has a model_type. {OWN_TOOL}",
    "not a valid JSON": HINT,
    "Exceeds the limit": HINT,
}
"""Parts of what transformers says of a configuration -> what helps."""


class Kind(NamedTuple):
    """What a tool writes.

    Attributes:
        files: patterns of names, one of which is in the directory.
        what: that is.
        hint: what helps.
    """

    files: tuple[str, ...]
    what: str
    hint: str


TOOLS = (
    Kind(("gliner_config.json",), "a model of GLiNER", OWN_TOOL),
    Kind(("config.cfg",), "a pipeline of spaCy", OWN_TOOL),
    Kind(("*.pt", "training.log"), "a model of Flair, or another checkpoint of PyTorch", OWN_TOOL),
)
"""Of directories without a configuration that transformers reads."""
WEIGHTS = (
    Kind(("tf_model*.h5", "model.ckpt*", "saved_model*"), "weights of TensorFlow alone", CONVERT.format("from_tf")),
    Kind(("flax_model*.msgpack",), "weights of Flax alone", CONVERT.format("from_flax")),
    Kind(("*.gguf",), "weights in GGUF alone", SOURCE),
    Kind(("openvino_model.xml", "openvino/*.xml"), "a graph of OpenVINO alone", SOURCE),
    Kind(("*.onnx", "onnx/*.onnx"), "a graph of ONNX alone", SOURCE),
    Kind(
        ("model-*.safetensors", "pytorch_model-*.bin"),
        "parts of weights without their index",
        "Fetch model.safetensors.index.json or pytorch_model.bin.index.json too.",
    ),
)
"""Of directories without weights that PyTorch loads."""


def _kind_of(directory: Path, kinds: tuple[Kind, ...]) -> Kind | None:
    return next((kind for kind in kinds for pattern in kind.files if any(directory.glob(pattern))), None)


def find_config(name: str) -> str:
    """The name of a model, of which a directory has a configuration: else transformers guesses a type from the name.

    Args:
        name: directory, or name on a hub.

    Raises:
        MissingInput: a directory has none.
    """
    directory = Path(name)
    if not directory.is_dir() or (directory / "config.json").exists():
        return name
    if kind := _kind_of(directory, (*TOOLS, *WEIGHTS)):
        raise MissingInput(f"{directory} holds {kind.what}, and no config.json", kind.hint)
    hint = _hint_inside(directory, "*/config.json") or MODEL_HELP
    raise MissingInput(f"{directory} holds no model: it has no config.json", hint)


def _hint_inside(directory: Path, pattern: str) -> str:
    """Name the directories inside that hold the file: nertool's own are `model/` and `quantized/`."""
    inside = sorted(str(path.parent) for path in directory.glob(pattern))
    return f"Name the directory inside it that has one: {' or '.join(inside[:SHOWN_INSIDE])}" if inside else ""


def holds_weights(directory: Path) -> bool:
    """Whether a directory holds weights that PyTorch loads."""
    return any((directory / f"{name}{end}").exists() for name in FORMS for end in ("", INDEX))


def missing_weights(directory: Path) -> NertoolError:
    """The error for a directory without weights that PyTorch loads."""
    kind = _kind_of(directory, WEIGHTS)
    if kind:
        return MissingInput(f"{directory} holds {kind.what}", kind.hint)
    hint = _hint_inside(directory, f"*/{FORMS[0]}") or make_anew(directory)
    return MissingInput(f"{directory} holds no weights: neither {' nor '.join(FORMS)}", hint)


def config_hint(error: Exception, other: str) -> str:
    """The hint for an error of transformers about a configuration; `other` where it is none of those known here."""
    return next((hint for part, hint in CONFIG_ERRORS.items() if part in str(error)), other)


def make_anew(directory: Path) -> str:
    """The hint for a damaged model: the command that made it, or where it came from."""
    if directory.is_dir() and (directory.parent / RECORDS).is_file():
        stage = "quantize" if directory.name == QUANTIZED else "train"
        return f"Make the model anew: {command(directory.parent, stage, '--force')}"
    return HINT
