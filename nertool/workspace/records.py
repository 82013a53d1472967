"""`workspace.json`: one record a stage, read and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict

from nertool.errors import NertoolError
from nertool.workspace.digests import Digest, read_json
from nertool.workspace.names import MODEL, OUTPUTS, RECORDS, is_inside, is_model_name, is_output

FORMAT = 2
"""Number of the form of `workspace.json`; another one is refused."""
PARTS = ("options", "reads", "writes", "facts")
"""What every record holds; `versions` and `sources` stand beside them."""


class Record(TypedDict):
    """The record of one stage's last run."""

    options: dict[str, Any]  # the options that decide what is written, by name
    versions: dict[str, str]  # version of nertool and of each package that took part
    reads: dict[str, Digest]  # file of the workspace that was read -> SHA-256 and size
    sources: dict[str, Digest] | None  # the same for files outside; null where there are none or they were fetched
    writes: dict[str, Digest]  # file that was written -> SHA-256 and size
    facts: dict[str, Any]  # what the stage counted or measured


class Records(TypedDict):
    """What `workspace.json` holds."""

    format: int  # number of this format
    stages: dict[str, Record]  # name of the record, such as `train` or `evaluate:dev` -> record; in the stages' order


def read_records(root: Path) -> dict[str, Any]:
    """The stages' records by name; empty where there is no `workspace.json`.

    Raises:
        NertoolError: the file is damaged, or of another format.
    """
    path = root / RECORDS
    try:
        content = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"not JSON: {error}") from error
    except OSError as error:
        raise NertoolError(
            f"{path} cannot be read: {error.strerror}", "Change its permissions, or take another workspace: -w DIR"
        ) from error
    if not isinstance(content, dict):
        raise _damaged(path, "not a JSON object")
    if content.get("format") != FORMAT:
        raise NertoolError(
            f"{path} has format {content.get('format', 'none')!r}; this nertool reads and writes format {FORMAT}",
            "Move the workspace to another place, or start a new one: -w DIR",
        )
    records = content.get("stages")
    if reason := _fault(records):
        raise _damaged(path, reason)
    assert isinstance(records, dict)
    return records


def records_content(records: Mapping[str, Any]) -> Records:
    """The content of `workspace.json` with these records."""
    stages: dict[str, Record] = {}
    for stage in OUTPUTS:
        for name in records_of(stage, records):
            stages[name] = records[name]
    return {"format": FORMAT, "stages": stages}


def records_of(stage: str, records: Iterable[str]) -> list[str]:
    """Names of the records of one stage: `evaluate:dev` and `evaluate:test` are records of `evaluate`."""
    return sorted(name for name in records if name.partition(":")[0] == stage)


def _fault(records: object) -> str:
    """What is wrong with the records; empty where nothing is."""
    if not isinstance(records, dict):
        return "it holds no object `stages`"
    for name, record in records.items():
        if not isinstance(record, dict):
            return f"the record of {name} is no object"
        if reason := _fault_of_record(name, record):
            return reason
    return ""


def _fault_of_record(name: str, record: Mapping[str, Any]) -> str:
    for part in PARTS:
        if not isinstance(record.get(part), dict):
            return f"the record of {name} lacks its {part}"
    for part in ("versions", "sources"):
        if not isinstance(record.get(part) or {}, dict):
            return f"the {part} of {name} are no object"
    for part in ("reads", "writes", "sources"):
        if not all(map(_is_digest, (record.get(part) or {}).values())):
            return f"the {part} of {name} are not all digests"
    for file in record["reads"]:
        if not is_inside(file):
            return f"{file!r}, which {name} has read, names no file of the workspace"
    for file in record["writes"]:
        if not is_output(name, file):
            return f"{file!r}, which {name} has written, names no file that it writes"
    return _fault_of_facts(name, record["facts"])


def _fault_of_facts(name: str, facts: Mapping[str, Any]) -> str:
    """What is wrong with the facts that stages act on."""
    if not is_model_name(facts.get("output_dir", MODEL)):
        return f"the output_dir of {name} is no name of a model"
    for key in ("recipe", "task", "tags"):
        if name == "download" and not isinstance(facts.get(key, ""), str):
            return f"the {key} of {name} is no text"
    history = facts.get("history", [])
    if not isinstance(history, list) or not all(isinstance(row, dict) for row in history):
        return f"the history of {name} is no list of objects"
    return ""


def _is_digest(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    return isinstance(value.get("sha256"), str) and isinstance(value.get("size"), int)


def _damaged(path: Path, reason: str) -> NertoolError:
    return NertoolError(
        f"{path} is damaged: {reason}",
        "Remove it: the files stay, and count as made by hand until a stage runs.",
    )
