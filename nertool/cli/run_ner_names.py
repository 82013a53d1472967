"""run_ner.py's spellings on the command line: underscores, the Trainer's arguments, options that mean nothing here."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from itertools import zip_longest
from pathlib import Path
from typing import Any

import typer

from nertool.errors import InvalidOption
from nertool.models.names import quiet_transformers
from nertool.progress import logger
from nertool.training import trainer_arguments
from nertool.workspace.names import LABELS

NO_EFFECT = {
    "task_type": "--task of download chooses the tags",
    "apply_quantization": "the command says what runs: nertool quantize",
    "tune": "the command says what runs: nertool quantize",
    "verify_loading": "quantize always loads what it has saved",
    "use_fast": "a fast tokenizer is used where there is one",
    "use_fast_tokenizer": "a fast tokenizer is used where there is one",
    "overwrite_cache": "the cache is made anew when its data change",
    "max_predict_samples": "all sentences of a split are tagged; download --limit takes the first ones",
    "use_auth_token": "--token, HF_TOKEN or a login gives the token",
    "labels": "labels.txt of the workspace is taken",
    **trainer_arguments.FIXED,
}
"""Options and keys of run_ner.py that are accepted and change nothing, and why."""
TRUE = ("true", "yes", "1")
FALSE = ("false", "no", "0")
BOOLEAN = (
    *("apply_quantization", "tune", "verify_loading", "use_fast", "use_fast_tokenizer"),
    *("overwrite_cache", "use_auth_token"),
)
"""Options above that take no value, or True or False."""


def translate(arguments: Sequence[str], parameters: Sequence[Any]) -> list[str]:
    """The arguments of a command in nertool's own spelling.

    `--train_file` becomes `--train-file`, `--data_dir` is the workspace, `--push_to_hub True` becomes `--push-to-hub`,
    `--bf16` becomes `--precision bf16`, and any other argument of the Trainer becomes `--set NAME=VALUE` where the
    command has `--set`.
    Options that mean nothing here are left out, with a log line. What nobody knows stays, for the parser to refuse.
    `-w=DIR` is `-w DIR`, as for run_ner.py; to the parser the directory would be `=DIR`.

    Args:
        arguments: as they are on the command line, without the command's name.
        parameters: of the command, as click has them.

    Raises:
        typer.BadParameter: an option stands in the place of a value.
        InvalidOption: `--labels` names another file than the workspace's own.
    """
    options = _spellings(parameters)
    translated: list[str] = []
    ignored: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            return [*translated, argument, *rest]
        short, equals, value = argument.partition("=")
        if argument.startswith("--"):
            translated += _translate_option(argument, rest, options, ignored)
        elif options.get(short) is True:
            translated += [short, value if equals else _take_own(short, rest, options)]
        else:
            translated.append(argument)
    if "labels" in ignored:
        folder = _value_of(("-w", "--workspace"), translated) or os.environ.get("NERTOOL_WORKSPACE", "workspace")
        check_labels("--labels", _value_of(("--labels",), arguments), folder)
    log_no_effect(ignored)
    return translated


def _value_of(names: Sequence[str], arguments: Sequence[str]) -> str:
    """The last value of an option; empty where it has none."""
    found = ""
    for argument, following in zip_longest(arguments, arguments[1:], fillvalue=""):
        name, equals, value = argument.partition("=")
        if name in names:
            found = value if equals else following
    return found


def check_labels(option: str, value: str, folder: str) -> None:
    """Check that a file of labels is the one that nertool takes.

    Raises:
        InvalidOption: it is another one.
    """
    own = Path(folder, LABELS)
    if Path(value).resolve() != own.resolve():
        raise InvalidOption(
            f"{option} {value}: labels are read from {own}", f"Copy them: {shlex.join(['cp', value, str(own)])}"
        )


def log_no_effect(names: Iterable[str]) -> None:
    """Say in one line which options change nothing here, and why."""
    reasons: dict[str, list[str]] = {}
    for name in names:
        reasons.setdefault(NO_EFFECT[name], []).append(name)
    if reasons:
        parts = [f"{', '.join(those)} ({reason})" for reason, those in reasons.items()]
        logger.info("no effect: %s", "; ".join(parts))


def _translate_option(
    argument: str, rest: list[str], options: Mapping[str, bool | str], ignored: list[str]
) -> list[str]:
    """One option with its value, if that is another argument; takes what it uses from `rest`."""
    option, equals, value = argument.partition("=")
    name = option[2:].replace("-", "_")
    own = "--workspace" if name == "data_dir" else f"--{name.replace('_', '-')}"
    if own in options:
        opposite = options[own]
        if opposite is True:
            return [f"{own}={value}"] if equals else [own, _take_own(own, rest, options)]
        return _own_flag(own, value if equals else _take_truth(rest), str(opposite))
    if name in NO_EFFECT:
        ignored.append(name)
        _take_value(name, equals, rest)
        return []
    if name in ("bf16", "fp16") and "--precision" in options:
        used = value if equals else _take_truth(rest)
        return [] if used.lower() in FALSE else ["--precision", name]
    if "--set" in options and name in _trainer_names():
        given = value if equals else _take_setting(name, rest)
        return ["--set", f"{name}={given}"]
    return [argument]


def _own_flag(flag: str, value: str, opposite: str) -> list[str]:
    """A flag of the command; run_ner.py takes `True` or `False` behind it. The parser refuses other values."""
    if value.lower() in TRUE:
        return [flag]
    if value.lower() not in FALSE:
        return [f"{flag}={value}"]
    return [opposite] if opposite else []


def _spellings(parameters: Sequence[Any]) -> dict[str, bool | str]:
    """Every option of the command: True where it takes a value, else the flag that means the opposite, or none."""
    options: dict[str, bool | str] = {"--help": ""}
    for parameter in parameters:
        pairs = list(zip_longest(parameter.opts, parameter.secondary_opts, fillvalue=""))
        for option, opposite in [*pairs, *[(opposite, option) for option, opposite in pairs]]:
            if option.startswith("-"):
                options[option] = opposite if getattr(parameter, "is_flag", False) else True
    return options


def _trainer_names() -> Mapping[str, Any]:
    """The Trainer's arguments; importing them takes a second, and only an unknown option needs them.

    There are none where transformers is not installed.
    """
    if find_spec("transformers") is None:
        return {}
    quiet_transformers()
    return trainer_arguments.argument_types()


def _is_boolean(name: str) -> bool:
    return name.startswith("do_") or name in BOOLEAN or _trainer_names().get(name) is bool


def _take_value(name: str, equals: str, rest: list[str]) -> None:
    """Drop the value of an option that has no effect."""
    if equals or not rest:
        return
    if _is_boolean(name):
        if rest[0] in ("True", "False") or rest[0].startswith("hf_"):  # a token, which no error is to repeat
            rest.pop(0)
    elif not rest[0].startswith("--"):
        rest.pop(0)


def _take_own(option: str, rest: list[str], options: Mapping[str, bool | str]) -> str:
    """The value of an option of the command; another option in its place shows that it was forgotten, or empty."""
    if not rest:
        raise typer.BadParameter("it takes a value, and there is none", param_hint=f"'{option}'")
    given = rest[0].partition("=")[0]
    if given in options or (given.startswith("--") and f"--{given[2:].replace('_', '-')}" in options):
        raise typer.BadParameter(f"it takes a value, and {given} is an option", param_hint=f"'{option}'")
    return rest.pop(0)


def _take_truth(rest: list[str]) -> str:
    return rest.pop(0) if rest and rest[0] in ("True", "False") else "True"


def _take_setting(name: str, rest: list[str]) -> str:
    """The value of a Trainer's argument; one without a value is switched on."""
    return rest.pop(0) if rest and not rest[0].startswith("--") else "true"
