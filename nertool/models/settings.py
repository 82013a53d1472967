"""What a model directory says of its model, beside the weights: `tagging.json`, and `quantization.json` of INT8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from nertool.corpus.running_text import CHARACTERS, Cut, cutter
from nertool.errors import InvalidData, InvalidOption, MissingInput, command, translate_odd_content
from nertool.models.other_tools import holds_weights, missing_weights
from nertool.tags import SCHEMES, scheme_of_labels
from nertool.workspace.digests import changed, read_json, write_json
from nertool.workspace.names import QUANTIZED, TABLE

SETTINGS = "tagging.json"
DECODINGS = ("viterbi", "argmax")
MEND = "Another version of nertool wrote it: train the model anew, or remove the file."


@dataclass(frozen=True)
class TaggingSettings:
    """How sentences are tagged.

    Attributes:
        tokenizer: how running text is cut into tokens; see `running_text.cutter`.
        decoding: `viterbi` takes the most probable sequence of tags that the scheme allows, `argmax` the most probable
            tag of each word.
        scheme: of the tags that the model has learnt, by its name in `tags.SCHEMES`; empty where it is not known.
    """

    tokenizer: str = CHARACTERS
    decoding: str = "argmax"
    scheme: str = ""

    def allowed_scheme(self, decoding: str, labels: Sequence[str]) -> str:
        """The scheme whose sequences are allowed; empty where all are.

        Args:
            decoding: as above; empty: that of the settings.
            labels: of the model, in their canonical form.
        """
        return (self.scheme or scheme_of_labels(labels)) if (decoding or self.decoding) == "viterbi" else ""

    def cut(self, directory: Path) -> Cut:
        """How running text is cut.

        Args:
            directory: that the settings are of.

        Raises:
            InvalidData: the settings name no way to cut text.
            NertoolError: the package for it is not installed.
        """
        try:
            return cutter(self.tokenizer)
        except InvalidOption as error:
            raise InvalidData(f"{directory / SETTINGS}: {error.message[:200]}", MEND) from error

    def write(self, directory: Path) -> None:
        """Write them into a model directory."""
        write_json(directory / SETTINGS, asdict(self))


def read_settings(directory: Path) -> TaggingSettings:
    """Read the settings of a model directory; the defaults where it has none, as those of other tools.

    Raises:
        InvalidData: the file is not what `TaggingSettings.write` writes.
    """
    path = directory / SETTINGS
    try:
        found = read_json(path)
    except FileNotFoundError:
        return TaggingSettings()
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{path}: no JSON: {error}", MEND) from error
    names = {field.name for field in fields(TaggingSettings)}
    if not isinstance(found, dict) or set(found) - names or not all(isinstance(one, str) for one in found.values()):
        raise InvalidData(f"{path}: it holds more than {', '.join(sorted(names))}, or values that are no text", MEND)
    settings = TaggingSettings(**found)
    if settings.decoding not in DECODINGS or settings.scheme not in ("", *SCHEMES):
        raise InvalidData(f"{path}: no such decoding or scheme: {settings.decoding}, {settings.scheme}", MEND)
    return settings


def is_quantized(directory: Path) -> bool:
    """Whether a directory holds an INT8 model.

    Raises:
        MissingInput: it does, by its other files, but does not say how the model was made.
        InvalidData: what it says is damaged.
    """
    if (directory / TABLE).exists():
        read_table(directory)
        return True
    if directory.name == QUANTIZED or any(directory.glob("*.onnx")):
        what = f"{directory / TABLE} is missing, which says how the INT8 model was made"
        if directory.name == QUANTIZED:
            raise MissingInput(what, anew(directory))
        if not holds_weights(directory):
            raise missing_weights(directory)
        raise MissingInput(
            f"{what}, beside a graph of ONNX", "Move the graph to another directory, to use the weights in FP32."
        )
    return False


def read_table(directory: Path) -> dict[str, Any]:
    """Read how an INT8 model was made.

    Raises:
        InvalidData: the file is damaged.
    """
    path = directory / TABLE
    table: dict[str, Any] = {}
    try:
        table = read_json(path)
        fits = all(isinstance(table.get(key, {}), dict) for key in ("versions", "cpu"))
    except (AttributeError, ValueError, RecursionError):
        fits = False
    if not fits:
        raise InvalidData(f"{path} is not what quantize writes", anew(directory))
    return table


def edited_files(directory: Path) -> list[str]:
    """Names of the files of an INT8 model that are not as `quantize` wrote them; none of another model.

    Raises:
        InvalidData: `quantization.json` is damaged.
    """
    if not (directory / TABLE).exists():
        return []
    with translate_odd_content(str(directory / TABLE), anew(directory)):
        return changed(directory, read_table(directory).get("files", {}))


def anew(directory: Path) -> str:
    """How the INT8 model of a directory is made anew."""
    return f"Make it anew: {command(directory.parent, 'quantize', '--force')}"
