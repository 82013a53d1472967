"""The fields of a record: which of them is tagged, and which are passed on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nertool.corpus.column_files import TAG_NAMES, is_entity_tag
from nertool.documents.document import TAGGED_FIELDS, ReadCounts
from nertool.documents.hints import Hints, Unreadable
from nertool.documents.task_records import fields_of_task, is_task, text_field, way_out

Content = str | list[str]
"""A text, or a list of tokens."""


@dataclass(frozen=True)
class RecordFields:
    """Takes records apart.

    Attributes:
        text_column, tokens_column: field that holds the text, or the tokens.
        hints: how hints end.
        counts: is counted up.
    """

    text_column: str
    tokens_column: str
    hints: Hints
    counts: ReadCounts

    def read(self, place: str, record: dict[str, Any]) -> tuple[Content, dict[str, Any]]:
        """The text or the tokens of a record, and the fields that are passed on; tokens count where both are there.

        Raises:
            Unreadable: the record has neither.
        """
        tokens, text = record.get(self.tokens_column), record.get(self.text_column)
        if isinstance(tokens, list) and all(isinstance(token, str) and token.strip() for token in tokens):
            return tokens, self._others(record, self.tokens_column, TAGGED_FIELDS)
        if isinstance(text, str):
            _refuse_parts(place, record, text)
            return text, self._others(record, self.text_column, (*TAGGED_FIELDS, "text"))
        if is_task(record) and (name := text_field(record["data"], self.text_column)):
            self.counts.tasks += 1
            fields = fields_of_task(record)
            return fields[name], self._others(fields, name, (*TAGGED_FIELDS, "text"))
        raise self._unreadable(place, record)

    def _unreadable(self, place: str, record: Mapping[str, Any]) -> Unreadable:
        """The error for a record without a text and without tokens."""
        what = f"{place}: neither a text {self.text_column!r} nor a list of tokens {self.tokens_column!r}"
        for name, wanted in ((self.tokens_column, "list of tokens"), (self.text_column, "text")):
            if record.get(name) is not None:
                what = f"{place}: {name!r} holds no {wanted}: {_first_wrong(record[name])[:60]}"
        return Unreadable(what, f"{way_out(record, self.hints.column)}; or", "skip")

    def _others(self, record: Mapping[str, Any], read: str, overwritten: Sequence[str]) -> dict[str, Any]:
        """Give the fields that are passed on: all but the one that is read and those that tagging overwrites."""
        others = {}
        for name, value in record.items():
            if name != read and name not in overwritten:
                others[name] = self._without_nan(value)
        self.counts.replaced += len(others) < len(record) - 1
        return others

    def _without_nan(self, value: Any) -> Any:
        """Put null in place of numbers that JSON does not have, and count them."""
        if isinstance(value, float):
            if math.isfinite(value):
                return value
            self.counts.endless += 1
            return None
        if isinstance(value, dict):
            return {name: self._without_nan(inner) for name, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._without_nan(element) for element in value]
        return value


def _refuse_parts(place: str, record: Mapping[str, Any], text: str) -> None:
    """Refuse a record whose text is a single token with its tag, or the list of its tokens.

    Raises:
        Unreadable: it is one.
    """
    if text.startswith(("['", '["')) and text.endswith("]"):
        raise Unreadable(f"{place}: a list in place of a text: {text[:60]!r}", "Write JSON Lines of tokens; or", "skip")
    tags = [record[name] for name in (*TAG_NAMES, "ner_tags") if isinstance(record.get(name), str)]
    if tags and len(text.split()) == 1 and all(map(is_entity_tag, tags)):
        what = f"{place}: a token a record, {text[:60]!r} with {tags[0]}, which download alone reads"
        raise Unreadable(what, "Convert it first:", "convert")


def _first_wrong(value: Any) -> str:
    """What is shown of a value that is no text, or of the first element of a list that is none, or a blank one."""
    for element in value if isinstance(value, list) else ():
        if not (isinstance(element, str) and element.strip()):
            return f"a token is {element!r}"
    return repr(value)
