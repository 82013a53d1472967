"""How a model directory says that its model is to be used: `tagging.json`, beside the weights."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from nertool.corpus.running_text import CHARACTERS
from nertool.errors import InvalidData
from nertool.workspace.digests import write_json

SETTINGS = "tagging.json"


@dataclass(frozen=True)
class TaggingSettings:
    """How sentences are tagged.

    Attributes:
        tokenizer: how running text is cut into tokens; see `running_text.cutter`.
    """

    tokenizer: str = CHARACTERS

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
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return TaggingSettings()
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{path}: no JSON: {error}", "Train the model anew, or remove the file.") from error
    names = {field.name for field in fields(TaggingSettings)}
    if (
        not isinstance(found, dict)
        or not names >= set(found)
        or not all(isinstance(one, str) for one in found.values())
    ):
        raise InvalidData(
            f"{path}: it holds other keys than {', '.join(sorted(names))}, or values that are no text",
            "Another version of nertool wrote it: train the model anew, or remove the file.",
        )
    return TaggingSettings(**found)
