"""Configuration files: one JSON object or TOML table of options, as `--print-config` writes them or run_ner.py does."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nertool.addresses import MASK
from nertool.cli.run_ner_names import FALSE, NO_EFFECT, TRUE, check_labels, log_no_effect
from nertool.corpus.running_text import visible
from nertool.errors import InvalidOption
from nertool.progress import logger

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PRECISIONS = ("bf16", "fp16")
LISTS = ("seeds", "layers", "curve")
"""Options that are a list of numbers with commas between, or a list in the file."""
SHAPES = {
    "TOML": 'Write a line for each option, and text in quotes: num_epochs = 3, or model = "minilm".',
    "JSON": "The file holds one JSON object.",
    "": "Name a JSON or TOML file of options.",
}
"""What helps, by the form of the file."""
SETTING = "set "
"""What stands before a field of the Trainer's arguments in `--print-config --json`."""
LARGEST_FILE = 2**20
"""Bytes of a file; options take a few hundred."""


def read(path: Path) -> dict[str, Any]:
    """The keys and values of a file: TOML or JSON by the end of its name, else by its first character.

    Raises:
        InvalidOption: it cannot be read, or is neither.
    """
    name = {".toml": "TOML", ".json": "JSON"}.get(path.suffix, "")
    try:
        text = _text(path)
        name = name or ("JSON" if text.lstrip()[:1] in ("{", "[") else "TOML")
        found = _parse(text, name)
    except OSError as error:
        raise InvalidOption(f"--config {path}: {error.strerror}", "Name a JSON or TOML file of options.") from error
    except (ValueError, RecursionError) as error:
        raise InvalidOption(f"--config {path}: not {name or 'text'}: {error}", SHAPES[name]) from error
    if not isinstance(found, dict):
        raise InvalidOption(f"--config {path}: not a JSON object", 'Such as {"num_train_epochs": 3, "seed": 1}.')
    return found


def _parse(text: str, name: str) -> Any:
    """The value of a text, in the types that JSON has: a date of TOML is a text."""
    if name == "JSON":
        return json.loads(text, object_pairs_hook=_without_repetition)
    return json.loads(json.dumps(tomllib.loads(text), default=str))


def _without_repetition(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of two values of one key Python would take the last, without a word."""
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"the key {key} stands there twice")
        values[key] = value
    return values


def _text(path: Path) -> str:
    """What a file holds, which may be a pipe, and may never end."""
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise InvalidOption(f"--config {path}: longer than 1 MiB", "Name a JSON or TOML file of options.")
    return content.decode("utf-8")


def options(path: Path, names: Mapping[str, str], here: set[str | None]) -> dict[str, Any]:
    """The values of a file by parameter name, of those options that a command has.

    Args:
        names: every spelling of every command's options -> its parameter's name.
        here: the parameters of the command.

    Raises:
        InvalidOption: a key that nobody knows, or labels elsewhere than in the workspace.
    """
    config = _unprinted(read(path))
    values: dict[str, Any] = {}
    keys: dict[str, str] = {}
    settings: list[str] = []
    ignored: list[str] = []
    for key in LISTS:
        if isinstance(config.get(key), list):
            config[key] = ",".join(map(str, config[key]))
    for key, value in config.items():
        if key in ("data_dir", "workspace"):
            values["workspace"] = value
        elif key.startswith(SETTING):
            settings.append(f"{key.removeprefix(SETTING)}={value}")
        elif key == "labels" and not isinstance(value, bool):  # which is the switch of check
            _check_labels(path, value, config)
        elif key in PRECISIONS:
            values |= {"precision": key} if _is_true(path, key, value) and "precision" in here else {}
        elif key in names:
            name = names[key]
            if keys.setdefault(name, key) != key and config[keys[name]] != value:
                raise InvalidOption(f"--config {path}: {keys[name]} and {key} are one option", "Leave out one of them.")
            values |= {name: value} if name in here and value is not None else {}
        elif key in NO_EFFECT:
            ignored.append(key)
        else:
            _check_known(path, key, value, names)
            settings.append(f"{key}={json.dumps(value)}")
    log_no_effect(ignored)
    if settings and "settings" in here:
        values["settings"] = [*values.get("settings", []), *settings]
    return values


def _unprinted(config: Mapping[str, Any]) -> dict[str, Any]:
    """The keys in run_ner.py's spelling with their values, those of `--print-config --json` among them."""
    values: dict[str, Any] = {}
    for key, value in config.items():
        printed = isinstance(value, dict) and value.keys() == {"value", "from"}
        value = value["value"] if printed else value
        if value == MASK:
            logger.warning("%s is hidden in what --print-config writes: give it again", key)
        elif not (printed and key == "config"):
            values[key if key.startswith(SETTING) else key.replace("-", "_")] = value
    return values


def as_toml(rows: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Lines of a file that `--config` takes: each option with its value, and where that comes from as a comment.

    Args:
        rows: `value` and `from` of each option.
    """
    settings: list[str] = []
    for name, row in rows.items():
        value, origin = row["value"], visible(row["from"])
        if name.startswith(SETTING):
            settings.append(f"{name.removeprefix(SETTING)}={value}")
        elif value is None or name == "config" or value == MASK:
            yield f"# {name}: {'not set' if value is None else visible(str(value))}  # {origin}\n"
        else:
            yield f"{name} = {_toml_value(value)}  # {origin}\n"
    if settings:
        yield f"set = {_toml_value(settings)}\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    if not isinstance(value, str):
        return json.dumps(value, allow_nan=False)
    shown = []
    for one in value:
        if one in '"\\':
            shown.append(f"\\{one}")
        else:
            shown.append(one if one.isprintable() else f"\\U{ord(one):08x}")
    return f'"{"".join(shown)}"'


def _check_labels(path: Path, value: Any, config: Mapping[str, Any]) -> None:
    if not isinstance(value, str) or "\0" in value:
        raise InvalidOption(f"--config {path}: labels: this is no name of a file", "Leave the key out.")
    check_labels(f"--config {path}: labels", value, str(config.get("data_dir", ".")))


def _is_true(path: Path, key: str, value: Any) -> bool:
    """A switch of run_ner.py, which may be a text as on the command line."""
    word = str(value).lower()
    if word not in (*TRUE, *FALSE, "none"):
        raise InvalidOption(
            f"--config {path}: {key}: {json.dumps(value)} is neither true nor false", "Write one of them."
        )
    return word in TRUE


def _check_known(path: Path, key: str, value: Any, names: Mapping[str, str]) -> None:
    """A key that is no option may be one of the Trainer's arguments; importing those takes a second."""
    from nertool.models.names import quiet_transformers
    from nertool.training import trainer_arguments

    quiet_transformers()
    if key not in trainer_arguments.argument_types():
        every = [*names, *NO_EFFECT, "data_dir", "workspace", *trainer_arguments.argument_types()]
        near = difflib.get_close_matches(key, every, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known keys: {', '.join(sorted(names))}"
        if isinstance(value, dict):
            hint = "A file has no sections: write the options of all commands beside each other."
        raise InvalidOption(f"--config {path}: unknown key {key}", hint)
