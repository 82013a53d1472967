"""Base of the options of all stages: which of them a record holds, and what no stage could use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

from nertool.addresses import without_secrets
from nertool.workspace.option_values import check_values


class StageOptions:
    """Base of every stage's frozen `Options` dataclass."""

    unrecorded: ClassVar[tuple[str, ...]] = ("force", "allow_stale")
    """Fields that do not change what the stage writes, or that hold a path of this machine."""
    alone: ClassVar[tuple[str, ...]] = ()
    """Fields that only make sense where the stage runs alone; `nertool run` does not have them."""
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Fields under their headings in `--help`; those that no heading names come first."""
    in_workspace: ClassVar[bool] = True
    """The command reads or writes a workspace."""

    def __post_init__(self) -> None:
        """Refuse values that no stage could use."""
        check_values(self)

    @property
    def needless(self) -> Mapping[str, str]:
        """Fields that nothing would use, with the reason: a command line may not set them.

        An environment variable or a configuration file may, since they are for other commands too.
        """
        return {}

    def recorded(self) -> dict[str, Any]:
        """The options as they go into the record: no machine path, and JSON values only."""
        return {name: _portable(getattr(self, name)) for name in self._recorded_names()}

    def defaults(self) -> dict[str, Any]:
        """Defaults of the recorded options, for records written before an option existed."""
        return {name: _portable(getattr(type(self), name, None)) for name in self._recorded_names()}

    def _recorded_names(self) -> list[str]:
        return [f.name for f in fields(self) if f.name not in self.unrecorded]  # type: ignore[arg-type]


def _portable(value: Any) -> Any:
    """A path by its last part: its content is compared by digest, and its folder says nothing on another machine.

    A web address is without its secrets.
    """
    if isinstance(value, str) and os.sep in value and os.path.exists(value):
        return Path(value).resolve().name
    if isinstance(value, str):
        return without_secrets(value)
    return [_portable(part) for part in value] if isinstance(value, list | tuple) else value
