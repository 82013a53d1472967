"""Records of texts with spans as UBIAI and the tools of cloud providers write them -> those with keys text and spans.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html,
https://cloud.google.com/vertex-ai/docs/text-data/entity-extraction/prepare-data
"""

from __future__ import annotations

import shlex
from typing import Any

from nertool.errors import InvalidOption


def with_plain_spans(record: Any, place: str, wanted: str = "") -> Any:
    """The record with its text and spans under plain keys, if it has one of these forms; any other as it is.

    Args:
        place: file and line, for messages.
        wanted: the labelling job of Ground Truth whose spans are taken.

    Raises:
        InvalidOption: several jobs of Ground Truth have other spans, and none is wanted.
    """
    if not isinstance(record, dict):
        return record
    if isinstance(record.get("source"), str):
        return _from_ground_truth(record, place, wanted)
    if isinstance(record.get("document"), str) and isinstance(record.get("tokens"), list):
        return _from_ubiai(record)
    text = _first(_object(record.get("text_snippet")), "content") or _first(record, "textContent", "text_content")
    marked = _first(record, "textSegmentAnnotations", "text_segment_annotations", "annotations")
    if not isinstance(text, str) or not isinstance(marked, list):
        return record
    if any(_first(_object(one), "displayName", "display_name") is None for one in marked):
        return record
    return {"text": text, "spans": [_google_span(one) for one in marked]}


def _from_ground_truth(record: dict[str, Any], place: str, wanted: str) -> dict[str, Any]:
    """Amazon SageMaker Ground Truth: a text, and labelling jobs under names of their own; the one with entities."""
    jobs: dict[str, list[Any]] = {}
    for name, job in record.items():
        entities = _object(_object(job).get("annotations")).get("entities")
        if isinstance(entities, list):
            jobs[name] = entities
    filled = [name for name, entities in jobs.items() if entities] or list(jobs)
    if wanted in jobs:
        return {"text": record["source"], wanted: jobs[wanted]}
    if any(jobs[name] != jobs[filled[0]] for name in filled):
        what = f"{place}: the labelling jobs {', '.join(filled)[:100]} have other spans"
        raise InvalidOption(what, f"Take one: --spans-column {shlex.quote(filled[-1])}.")
    return {"text": record["source"], "spans": jobs[filled[0]]} if filled else record


def _from_ubiai(record: dict[str, Any]) -> dict[str, Any]:
    """UBIAI: what it calls tokens are the spans, each with its label."""
    spans = [{**_object(one), "label": _object(one).get("entityLabel")} for one in record["tokens"]]
    if any("entityLabel" not in span for span in spans):
        return record
    return {"text": record["document"], "spans": spans, "relations": record.get("relations")}


def _google_span(marked: dict[str, Any]) -> dict[str, Any]:
    """Google's AutoML and Vertex AI: a start that is 0 may be left out."""
    place = _object(_object(marked.get("text_extraction")).get("text_segment")) or marked
    return {
        "start": _first(place, "startOffset", "start_offset") or 0,
        "end": _first(place, "endOffset", "end_offset"),
        "label": _first(marked, "displayName", "display_name"),
    }


def _first(record: dict[str, Any], *keys: str) -> Any:
    return next((record[key] for key in keys if key in record), None)


def _object(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}
