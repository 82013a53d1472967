"""The command line as it is logged and repeated in hints: without secrets."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from nertool.addresses import without_secrets

SECRET_OPTIONS = ("--token", "--hub-token", "--push-to-hub-token", "--use-auth-token")
"""Options whose values belong in no file and on no screen."""


def public_command(arguments: Sequence[str]) -> str:
    """The command line for a shell, without the options that hold secrets.

    >>> public_command(["nertool", "train", "--token", "hf_x", "--seed", "1"])
    'nertool train --seed 1'
    >>> public_command(["nertool", "train", "--hub_token=hf_x"])
    'nertool train'
    >>> public_command(["nertool", "download", "--source", "https://me:secret@host/data?token=secret"])
    "nertool download --source 'https://host/data?token=***'"
    """
    shown: list[str] = []
    value_follows = False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if value_follows and not argument.startswith("-"):
            value_follows = False
            continue
        value_follows = False
        if name.replace("_", "-") in SECRET_OPTIONS:
            value_follows = not equals
        elif argument.startswith("--set=") and sets_secret(argument[6:]):
            continue
        elif shown[-1:] == ["--set"] and sets_secret(argument):
            shown.pop()
        else:
            shown.append(without_secrets(argument))
    return shlex.join(shown)


def sets_secret(setting: str) -> bool:
    """The setting is one of the Trainer's arguments that hold a token."""
    return setting.partition("=")[0].endswith("token")
