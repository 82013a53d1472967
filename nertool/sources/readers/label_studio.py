"""Label Studio's tasks: a text, annotations of several people, and regions of several types.

Source: https://labelstud.io/guide/export and /guide/task_format
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nertool.errors import InvalidData
from nertool.sources.readers.annotators import Annotators, person_names
from nertool.sources.readers.char_spans import SPANS_WAY
from nertool.sources.readers.span_offsets import SPAN_HELP, CharSpan
from nertool.sources.readers.tally import Tally

REGION_TYPES = ("labels", "hypertextlabels", "paragraphlabels")
"""Types of results that mark a piece of text."""
MARKUP = "This text holds HTML. Write JSON Lines of the text without it, with keys text and spans."
OTHER_REGIONS = "regions of type "
"""How what is counted of regions begins that mark something else than text."""
NOBODY = "texts that nobody annotated, left out"
"""What is counted of them."""


def holds_results(annotations: Any) -> bool:
    """Whether a list is one of annotations with results each."""
    return isinstance(annotations, list) and any(isinstance(one, dict) and "result" in one for one in annotations)


def read_regions(
    task: dict[str, Any], text: str, starts: Sequence[int], place: str, annotators: Annotators, tally: Tally
) -> list[CharSpan] | None:
    """Spans of one annotation of a task; None where the task is left out.

    Args:
        starts: where each paragraph of the text begins; empty for a text in one piece.

    Raises:
        InvalidData: an annotation has no list of results, or a region no place (names file and line).
    """
    annotations = task.get("annotations") or task.get("completions") or []
    kept = [one for one in annotations if not (isinstance(one, dict) and one.get("was_cancelled"))]
    if annotations and not kept:
        tally.add("texts that their annotator rejected, left out")
        return None
    if not kept:
        if task.get("predictions"):
            tally.add("texts with predictions only, left out", place, "no annotation, only predictions: left out")
            return None
        tally.add(NOBODY)
        return None
    truth = [one for one in kept if isinstance(one, dict) and one.get("ground_truth") is True]
    if truth and len(kept) > len(truth) and not annotators.wanted:
        detail = f"{len(kept)} annotations: the one that is marked as ground truth is taken (--annotator)"
        tally.add("texts of which the ground truth of several annotations is taken", place, detail)
        kept = truth
    index = annotators.choose([_names(annotation) for annotation in kept], place)
    if index is None:
        return None
    results = kept[index].get("result") if isinstance(kept[index], dict) else None
    if not isinstance(results, list):
        raise InvalidData(f"{place}: annotations hold no list as result", SPAN_HELP)
    results = _of_this_text(results, task.get("data"), text, place, tally)
    spans = [_region(result, text, starts, place, tally) for result in _without_attributes(results)]
    return [span for span in spans if span is not None]


def _of_this_text(results: list[Any], data: Any, text: str, place: str, tally: Tally) -> list[Any]:
    """The results that mark this text, where a task has several: those whose object has the name of its key.

    Raises:
        InvalidData: they mark another text, or nothing tells which (names file and line).
    """
    objects = {str(one["to_name"]) for one in results if isinstance(one, dict) and _is_region(one) and "to_name" in one}
    texts = {key: value for key, value in data.items() if isinstance(value, str)} if isinstance(data, dict) else {}
    own = [name for name in objects if texts.get(name) == text]
    if not own and (len(objects) > 1 or objects & texts.keys()):
        what = f"{place}: the regions mark {', '.join(sorted(objects))}, which is another text"
        raise InvalidData(what, f"Name its key: --text-column. Or write each text alone: {SPANS_WAY}")
    kept = []
    for one in results:
        if own and isinstance(one, dict) and _is_region(one) and one.get("to_name") not in own:
            tally.add("regions of another text left out")
        else:
            kept.append(one)
    return kept


def _without_attributes(results: list[Any]) -> list[Any]:
    """The results without those that say more of a region that another one marks, as choices do."""
    marked = {str(one.get("id")) for one in results if isinstance(one, dict) and "id" in one and _is_region(one)}
    return [one for one in results if not isinstance(one, dict) or _is_region(one) or str(one.get("id")) not in marked]


def _is_region(result: dict[str, Any]) -> bool:
    return str(result.get("type") or "labels").lower() in REGION_TYPES


def _names(annotation: Any) -> list[str]:
    return person_names(annotation.get("completed_by")) if isinstance(annotation, dict) else []


def _region(result: Any, text: str, starts: Sequence[int], place: str, tally: Tally) -> CharSpan | None:
    """The span of a result; None where it marks no piece of text or has no label."""
    kind = str(result.get("type") or "labels").lower() if isinstance(result, dict) else "labels"
    value = result.get("value") if isinstance(result, dict) else None
    if kind not in REGION_TYPES:
        if kind == "relation":
            tally.add("relations left out")
        elif kind.endswith("labels") or (isinstance(value, dict) and "start" in value and "end" in value):
            tally.add(f"{OTHER_REGIONS}{kind[:40]} left out")
        return None
    if not isinstance(value, dict):
        raise InvalidData(f"{place}: {str(result)[:80]!r} is no region", SPAN_HELP)
    labels = value.get(kind) or value.get("labels") or value.get("label") or []
    labels = labels if isinstance(labels, list) else [labels]
    if not any(isinstance(label, str) and label.strip() for label in labels):
        shown = f"{value.get('start')} to {value.get('end')} {str(value.get('text') or '')[:60]!r}"
        tally.add("regions without a label left out", place, f"region {shown} has no label: left out")
        return None
    label = first_label(labels, place, tally)
    if kind == "hypertextlabels" and "</" in text:
        raise InvalidData(f"{place}: a text with HTML tags", MARKUP)
    places = _offsets(value, starts)
    said = value.get("text")
    own = said.strip() if isinstance(said, str) else ""
    if places is None or not (own or 0 <= places[0] < places[1] <= len(text)):
        shown = f"{str(value.get('start'))[:20]} to {str(value.get('end'))[:20]} {label}"
        tally.add("regions without a place in the text left out", place, f"region {shown}: left out")
        return None
    return CharSpan(*places, label, own)


def first_label(labels: Sequence[Any], place: str, tally: Tally) -> str:
    """The first of a span's labels that is one; others are told and counted."""
    named = [label for label in labels if isinstance(label, str) and label.strip()]
    if len(named) > 1:
        detail = f"several labels: {', '.join(named)[:80]}: the first is taken"
        tally.add("spans with several labels, of which the first is taken", place, detail)
    return named[0]


def _offsets(value: dict[str, Any], starts: Sequence[int]) -> tuple[int, int] | None:
    """Places of a region in the text; None where it has none.

    Regions of HTML have them as `globalOffsets`; those of paragraphs, as paragraph and place in it.
    """
    first, last = _number(value.get("start")), _number(value.get("end"))
    whole = value.get("globalOffsets")
    if isinstance(whole, dict):
        first, last = _number(whole.get("start")), _number(whole.get("end"))
    if first is None or last is None:
        return None
    if not starts or "startOffset" not in value:
        return first, last
    start, end = _number(value["startOffset"]), _number(value.get("endOffset"))
    if start is None or end is None or not 0 <= first <= last < len(starts):
        return None
    return starts[first] + start, starts[last] + end


def _number(value: Any) -> int | None:
    """A number, or one written as text."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 12:
        return int(value)
    return value if type(value) is int else None
