"""Texts without their entities: `[PER]` or a mask in their place, and where everything stands then."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nertool.documents.document import Document
from nertool.documents.writers import entities, with_text
from nertool.errors import InvalidOption
from nertool.models.tagging import Tagging
from nertool.spelling import ONE_TYPE

if TYPE_CHECKING:
    from nertool.models.tagger import Tagger


@dataclass(frozen=True)
class Redaction:
    """How entities are replaced.

    Attributes:
        mask: what replaces each character of an entity; empty: `[TYPE]` replaces the entity.
        types: of the entities that are replaced; empty: all.
        recall_first: entities below their least probability are replaced too.
        read: fields of a record that hold its text or tokens; none of them is passed on.
    """

    mask: str = ""
    types: list[str] = field(default_factory=list)
    recall_first: bool = False
    read: list[str] = field(default_factory=list)

    def check(self, types: set[str]) -> None:
        """Check the types against those of the model.

        Raises:
            InvalidOption: the model does not have one, or has none at all.
        """
        if not types:
            raise InvalidOption("--format redacted: the model's tags are no entities", "Take another format.")
        for label in self.types:
            if label not in types:
                known = ", ".join(sorted(types))
                raise InvalidOption(f"--types: the model has no type {label!r}", f"Its types: {known}.")

    def prepare(self, tagger: Tagger) -> Tagger:
        """Let a tagger find what is below its least probability too, where that is replaced."""
        if self.recall_first:
            tagger.thresholds = None
        return tagger

    def text(self, document: Document, taggings: Sequence[Tagging]) -> tuple[str, list[dict[str, Any]]]:
        """The text without its entities, and for each of them where it stood and where its replacement stands.

        Offsets count characters. Tokens without a text are joined by blanks.
        """
        document = with_text(document)
        text = document.text or ""
        pieces: list[str] = []
        places: list[dict[str, Any]] = []
        end = length = 0
        for entity in entities(document, taggings):
            if entity.start < end or (self.types and entity.label not in self.types):
                continue
            replacement = self._replacement(entity.label, entity.text)
            pieces += [text[end : entity.start], replacement]
            new_start = length + entity.start - end
            end, length = entity.end, new_start + len(replacement)
            place = {"label": entity.label, "start": entity.start, "end": end, "new_start": new_start}
            places.append({**place, "new_end": length, "score": round(entity.score, 4)})
        return "".join([*pieces, text[end:]]), places

    def _replacement(self, label: str, text: str) -> str:
        """What stands for an entity; a line end in it stays, so that the number of lines does."""
        if self.mask:
            return "".join(one if one == "\n" else self.mask for one in text)
        return f"[{label or ONE_TYPE}]" + "\n" * text.count("\n")

    def row(self, document: Document, taggings: Sequence[Tagging]) -> dict[str, Any] | None:
        """A document as a record: its other fields as they are, the text, its redactions; None for a broken one."""
        if document.broken:
            return None
        others = {name: value for name, value in document.record.items() if name not in self.read}
        text, places = self.text(document, taggings)
        return {**others, "text": text, "redactions": places}

    def write(self, document: Document, taggings: Sequence[Tagging]) -> str:
        """A record as a JSON object a line; anything else as its text."""
        if document.is_record:
            row = self.row(document, taggings)
            return json.dumps(row, ensure_ascii=False, allow_nan=False, default=str) + "\n"
        text, _ = self.text(document, taggings)
        return text if text.endswith("\n") else text + "\n"
