"""The answers to requests that are tagged together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from nertool.corpus.running_text import Cut, Words, line_offsets
from nertool.documents.annotation_tools import least_score
from nertool.documents.document import Document
from nertool.documents.tag_documents import tag_documents
from nertool.documents.writers import as_row
from nertool.errors import InvalidOption, NertoolError
from nertool.models.tagger import Tagger
from nertool.models.tagging import Tagging
from nertool.models.thresholds import Thresholds, entity_types, parse_least
from nertool.serving.limits import Refusal
from nertool.serving.tag_request import TagRequest
from nertool.spelling import PLAIN

Answer = dict[str, Any]
SCORED = "scored"
"""A form for callers in the server: entities, and how sure the model is of the tag of which it is least sure."""


@dataclass(frozen=True)
class ServedModel:
    """A model as it answers requests.

    Attributes:
        tagger: without thresholds of its own.
        version: what tells it from others in the same place.
        thresholds: for requests that name none.
    """

    tagger: Tagger
    version: str = ""
    thresholds: Thresholds | None = None

    @property
    def types(self) -> list[str]:
        """The types of its entities."""
        return sorted(entity_types(self.tagger.labels, self.tagger.spelling))


@dataclass(frozen=True)
class _Plan:
    """How a request is answered."""

    form: str
    thresholds: Thresholds | None


def answer(model: ServedModel, requests: Sequence[TagRequest]) -> list[Answer | Refusal]:
    """Answer requests that are tagged together; where that fails, each alone, so that one does not harm the others."""
    plans = [_plan(model, request) for request in requests]
    documents: list[list[Document]] = []
    for request, plan in zip(requests, plans, strict=True):
        documents.append([] if isinstance(plan, Refusal) else list(_documents(request, model.tagger.cut)))
    try:
        tagged = tag_documents(model.tagger, chain.from_iterable(documents))
        results = [list(islice(tagged, len(own))) for own in documents]
    except NertoolError as error:
        if len(requests) > 1:
            return [answer(model, [request])[0] for request in requests]
        return [Refusal(500, "the model failed on this request", error.hint)]  # its message may hold words of a text
    answers: list[Answer | Refusal] = []
    for plan, result in zip(plans, results, strict=True):
        answers.append(plan if isinstance(plan, Refusal) else _answer_of(model, plan, result))
    return answers


def _answer_of(model: ServedModel, plan: _Plan, tagged: Iterable[tuple[Document, list[Tagging]]]) -> Answer:
    tokens, results = 0, []
    for document, taggings in tagged:
        tokens += sum(len(tagging.tags) for tagging in taggings)
        results.append(_row(document, taggings, plan))
    return {"model": model.version, "tokens": tokens, "results": results}


def _documents(request: TagRequest, cut: Cut) -> Iterator[Document]:
    """What a request sends; each line of a text is a sentence."""
    for number, text in enumerate(request.texts):
        sentences = [cut(text, start, end) for start, end in line_offsets(text)]
        yield Document(number, [words for words in sentences if words.tokens], text)
    for number, tokens in enumerate(request.tokens):
        yield Document(number, [Words(tokens)] if tokens else [])


def _plan(model: ServedModel, request: TagRequest) -> _Plan | Refusal:
    """How a request is answered, or why it is not."""
    has_entities = model.tagger.spelling != PLAIN
    form = request.form or ("entities" if has_entities else "tags")
    if form in ("entities", SCORED) and not has_entities:
        return Refusal(400, "the model's tags are no entities", 'Send "format": "tags".')
    try:
        return _Plan(form, _thresholds(model, request))
    except InvalidOption as error:
        return Refusal(400, error.message, error.hint)


def _thresholds(model: ServedModel, request: TagRequest) -> Thresholds | None:
    """Least probabilities; those of types that are not asked for cannot be reached."""
    least = dict(model.thresholds.least) if model.thresholds else {}
    if request.min_score is not None:
        least = parse_least("min_score", request.min_score, model.types)
    if request.types is not None:
        types, asked = set(model.types), set(request.types)
        if unknown := sorted(asked - types):
            raise InvalidOption(f"the model has no type {unknown[0][:40]!r}", f"Its types: {', '.join(model.types)}.")
        least |= dict.fromkeys(types - asked, math.inf)
    return Thresholds(least, model.tagger.scheme) if least else None


def _row(document: Document, taggings: Iterable[Tagging], plan: _Plan) -> Answer:
    kept = [plan.thresholds.apply(tagging) if plan.thresholds else tagging for tagging in taggings]
    row = as_row(document, kept)
    assert row is not None  # no document here is a broken record
    if plan.form == SCORED:
        return {"entities": row["entities"], "score": least_score(kept)}
    if plan.form == "entities":
        return {"entities": row["entities"]}
    scores = [round(score, 4) for tagging in kept for score in tagging.scores]
    offsets = [list(place) for words in document.sentences for place in words.offsets]
    places = {} if document.text is None else {"offsets": offsets}
    return {"tokens": row["tokens"], **places, "tags": row["tags"], "scores": scores}
