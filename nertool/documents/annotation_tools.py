"""Pre-annotations: tagged documents in the forms that Label Studio, doccano and Prodigy import.

Sources: https://labelstud.io/guide/predictions and https://prodi.gy/docs/api-interfaces#ner_manual; doccano's
`SpanLabel`, which is a start, an end and a label. Label Studio and Prodigy count characters; doccano's page counts
UTF-16 units, as JavaScript does (doccano/doccano#2290).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nertool.corpus import utf16
from nertool.corpus.running_text import Words
from nertool.documents.document import Document
from nertool.documents.writers import entities, with_text
from nertool.errors import InvalidOption
from nertool.models.tagging import Entity, Tagging
from nertool.models.thresholds import entity_types
from nertool.spelling import ONE_TYPE, spelling_of_labels


@dataclass(frozen=True)
class PreAnnotations:
    """How documents are written for an annotation tool.

    Attributes:
        tool: `label-studio`, `doccano` or `prodigy`.
        model_version: what Label Studio calls the model; it shows predictions of several models apart.
    """

    tool: str
    model_version: str = ""

    def check(self, labels: Sequence[str]) -> None:
        """Check the labels of the model.

        Raises:
            InvalidOption: they are no entities.
        """
        if not entity_types(labels, spelling_of_labels(labels)):
            raise InvalidOption(f"--format {self.tool}: the model's tags are no entities", "Take another format.")

    def write(self, document: Document, taggings: Sequence[Tagging]) -> str:
        """A task of Label Studio, which `writers.separated` makes a list of; a line for doccano or Prodigy."""
        row = self.row(document, taggings)
        end = "" if self.tool == "label-studio" else "\n"
        return json.dumps(row, ensure_ascii=False, allow_nan=False, default=str) + end

    def row(self, document: Document, taggings: Sequence[Tagging]) -> dict[str, Any]:
        """A document as the tool imports it; tokens without a text are joined by blanks."""
        document = with_text(document)
        found = list(entities(document, taggings))
        if self.tool == "label-studio":
            regions = [region(number, entity) for number, entity in enumerate(found, start=1)]
            predictions = [prediction(self.model_version, least_score(taggings), regions)]
            return {"data": {**document.record, "text": document.text}, "predictions": predictions}
        return _doccano(document, found) if self.tool == "doccano" else _prodigy(document, found, taggings)


def least_score(taggings: Iterable[Tagging]) -> float:
    """Probability of the tag that the model is least sure of; 1 where there is none."""
    return round(min((score for tagging in taggings for score in tagging.scores), default=1.0), 4)


def prediction(model_version: str, score: float, regions: Sequence[Any]) -> dict[str, Any]:
    """A prediction of Label Studio.

    Args:
        score: by which tasks are sorted.
    """
    return {"model_version": model_version, "score": score, "result": list(regions)}


def region(number: int, entity: Entity, from_name: str = "label", to_name: str = "text") -> dict[str, Any]:
    """A region of Label Studio.

    Args:
        number: is its id.
        from_name: name of the tag `Labels`.
        to_name: name of the tag `Text`.
    """
    value = {"start": entity.start, "end": entity.end, "text": entity.text, "labels": [entity.label or ONE_TYPE]}
    kind = {"from_name": from_name, "to_name": to_name, "type": "labels"}
    return {"id": str(number), **kind, "value": value, "score": round(entity.score, 4)}


def _doccano(document: Document, found: Iterable[Entity]) -> dict[str, Any]:
    """All lines have the same keys, since doccano fills gaps with NaN; those it does not know are in its export too."""
    text = document.text or ""
    place = utf16.places(text)
    labels = [[place[entity.start], place[entity.end], entity.label or ONE_TYPE] for entity in found]
    row = {"text": text, "label": labels, utf16.KEY: utf16.UNITS}
    return {**row, "meta": dict(document.record)} if document.is_record else row


def _prodigy(document: Document, found: Iterable[Entity], taggings: Iterable[Tagging]) -> dict[str, Any]:
    text = document.text or ""
    tokens = list(_prodigy_tokens(text, document.sentences))
    first = {token["start"]: token["id"] for token in tokens}
    last = {token["end"]: token["id"] for token in tokens}
    spans: list[dict[str, Any]] = []
    for entity in found:
        span = {"start": entity.start, "end": entity.end, "label": entity.label or ONE_TYPE}
        places = {"token_start": first[entity.start], "token_end": last[entity.end]}  # the last token is inside
        spans.append({**span, **places, "score": round(entity.score, 4)})
    return {
        "text": text,
        "tokens": tokens,
        "spans": spans,
        "meta": {**document.record, "score": least_score(taggings)},
    }


def _prodigy_tokens(text: str, sentences: Iterable[Words]) -> Iterator[dict[str, Any]]:
    number = 0
    for words in sentences:
        for token, (start, end) in zip(words.tokens, words.offsets, strict=True):
            space = text[end : end + 1].isspace()
            yield {"text": token, "start": start, "end": end, "id": number, "ws": space}
            number += 1
