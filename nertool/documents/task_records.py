"""Records of annotation tools whose text lies deeper than in a field of its own: where it is, or what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nertool.corpus.records import CAS

DEFAULT = "text"
"""Name of the text's field where no option says another."""
CAS_HELP = "Export it from INCEpTION as text, or as WebAnno TSV 3.3: nertool download --test-file FILE.tsv"
MOST_KEYS = 100


def is_task(record: Mapping[str, Any]) -> bool:
    """Whether a record is a task of Label Studio: its fields are those of `data`."""
    return isinstance(record.get("data"), dict)


def fields_of_task(task: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a task's data, and its id: as `task_id` where the data have an id of their own."""
    data = dict(task["data"])
    if "id" in task:
        data.setdefault("task_id" if "id" in data else "id", task["id"])
    return data


def text_field(data: Mapping[str, Any], wanted: str) -> str:
    """The field of a task's text: the wanted one; without a wish the only text that there is. Empty: none is."""
    if isinstance(data.get(wanted), str):
        return wanted
    texts = [name for name, value in data.items() if isinstance(value, str)]
    return texts[0] if wanted == DEFAULT and len(texts) == 1 else ""


def way_out(record: Mapping[str, Any], column: str) -> str:
    """What helps with a record without a text and without tokens, beside going on without it.

    Args:
        column: how the column that is read is named; see `Hints`.
    """
    if CAS in record:
        return CAS_HELP
    if is_task(record):
        return f"The data of this task have {_names(record['data'])}: {column}"
    for name, value in record.items():
        inner = value[0] if isinstance(value, list) and value else None
        if isinstance(inner, dict) and any(isinstance(one, str) and len(one.split()) > 1 for one in inner.values()):
            lines = f"jq -c '.\"{name[:50]}\"[]' FILE"
            return f"Its {name[:50]} are records with {_names(inner)}; write each in a line of its own: {lines}"
    return f"It has {_names(record)}: {column}"


def _names(record: Mapping[str, Any]) -> str:
    return ", ".join(record)[:MOST_KEYS] or "nothing"
