"""The command line as it is logged and repeated in hints: without secrets."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

SECRET_OPTIONS = ("--token", "--hub-token", "--push-to-hub-token")
"""Options whose values belong in no file and on no screen."""
CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
"""The user name and password of a web address."""


def without_secrets(arguments: Sequence[str]) -> str:
    """The command line for a shell, without the options that hold secrets.

    >>> without_secrets(["nertool", "train", "--token", "hf_x", "--seed", "1"])
    'nertool train --seed 1'
    >>> without_secrets(["nertool", "train", "--hub_token=hf_x"])
    'nertool train'
    >>> without_secrets(["nertool", "download", "--source", "https://me:secret@host/data"])
    'nertool download --source https://host/data'
    """
    shown: list[str] = []
    value_follows = False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if value_follows:
            value_follows = False
        elif name.replace("_", "-") in SECRET_OPTIONS:
            value_follows = not equals
        elif argument.startswith("--set=") and _sets_secret(argument[6:]):
            continue
        elif shown[-1:] == ["--set"] and _sets_secret(argument):
            shown.pop()
        else:
            shown.append(CREDENTIALS.sub("", argument))
    return shlex.join(shown)


def _sets_secret(setting: str) -> bool:
    """The setting is one of the Trainer's arguments that hold a token."""
    return f"--{setting.partition('=')[0].replace('_', '-')}" in SECRET_OPTIONS
