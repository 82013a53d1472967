"""Whether a stage is missing, fresh, stale or edited: follows from its record and the files alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict

from nertool.workspace.digests import changed
from nertool.workspace.names import OUTPUTS, join_names

NOT_RUN = "not run"


class StateFields(TypedDict):
    """A stage in what `status --json` prints, under the record's name."""

    state: str  # missing, fresh, stale or edited
    why: str  # the reason in one line, or a run that was interrupted; empty for fresh without one
    facts: dict[str, Any]  # what the stage counted or measured in its last run
    command: str  # command line that goes on with a run that was interrupted; else empty


@dataclass(frozen=True)
class State:
    """State of one stage.

    Attributes:
        stage: the record's name.
        name: `missing` (not run, or a file is gone), `fresh`, `stale` (a file that it read has changed) or `edited`
            (a file that it wrote was changed by hand, or there is no record).
        why: in one line; empty for `fresh`, unless another run was interrupted.
        facts: what the stage counted or measured in its last run.
        command: that goes on with a run that was interrupted; empty without one, or where it is not known.
    """

    stage: str
    name: str
    why: str
    facts: dict[str, Any] = field(default_factory=dict)
    command: str = ""

    def as_dict(self) -> StateFields:
        """The state as `status --json` prints it."""
        return {"state": self.name, "why": self.why, "facts": self.facts, "command": self.command}


def with_unfinished(state: State, unfinished: str, command: str) -> State:
    """The state with a run that has not ended.

    Args:
        unfinished: what there is of it, in one line; empty where there is none.
        command: that goes on with it; empty where that is not known.
    """
    if not unfinished:
        return state
    reasons = "" if state.why == NOT_RUN else state.why
    return replace(state, why="; ".join(filter(None, [reasons, unfinished])), command=command)


def state_of(root: Path, stage: str, record: Mapping[str, Any] | None) -> State:
    """The state of one stage by its own record; see `with_upstream` for the stages before it."""
    if record is None:
        by_hand = [name for name in OUTPUTS.get(stage, ()) if (root / name).exists()]
        if by_hand:
            return State(stage, "edited", f"{join_names(by_hand)} not written by nertool")
        return State(stage, "missing", NOT_RUN)
    facts = record["facts"]
    gone = [name for name in record["writes"] if not (root / name).exists()]
    if gone:
        return State(stage, "missing", f"{join_names(gone)} gone", facts)
    written = changed(root, record["writes"])
    read = changed(root, record["reads"])
    if written:
        also = f"; also {join_names(read)} changed before it" if read else ""
        return State(stage, "edited", f"{join_names(written)} changed by hand{also}", facts)
    if read:
        return State(stage, "stale", f"{join_names(read)} changed", facts)
    return State(stage, "fresh", "", facts)


def with_upstream(states: Mapping[str, State], records: Mapping[str, Any]) -> list[State]:
    """The states of all stages; a fresh one is stale where a stage whose files it read is itself stale.

    Each record is looked at once, however many there are, and in whatever circles they read each other's files.
    """
    readers: dict[str, list[str]] = {}
    for name, state in states.items():
        for file in records[name]["reads"] if state.name == "fresh" else ():
            readers.setdefault(file, []).append(name)
    found = dict(states)
    stale = [name for name, state in states.items() if state.name == "stale"]
    for earlier in stale:  # which grows
        for file in records[earlier]["writes"]:
            for name in readers.pop(file, ()):
                if found[name].name == "fresh":
                    found[name] = State(name, "stale", f"{earlier} before it is stale", states[name].facts)
                    stale.append(name)
    return list(found.values())


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What makes a stage's last run out of date, as words.

    Args:
        before, now: `options`, `reads` and `sources` of the last run and of this one. Options that the last run did
            not have are not compared; nor are sources that cannot be looked at now (None).
    """
    reasons = []
    for name, value in now["options"].items():
        if before["options"].get(name, value) != value:
            reasons.append(f"{name.replace('_', ' ')} is another")
    for part in ("reads", "sources"):
        if now[part] is not None:
            reasons += _changed_names(before.get(part) or {}, now[part])
    return reasons


def _changed_names(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [f"{name} changed" for name in {**before, **now} if before.get(name) != now.get(name)]
