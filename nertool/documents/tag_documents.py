"""Tag documents: all their sentences go through the model as one stream, and come back by document."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from nertool.documents.document import Document

if TYPE_CHECKING:
    from nertool.models.tagger import Tagger
    from nertool.models.tagging import TagCounts, Tagging


def tag_documents(
    tagger: Tagger, documents: Iterable[Document], counts: TagCounts | None = None
) -> Iterator[tuple[Document, list[Tagging]]]:
    """Tag documents; gives each with the tags of its sentences, in order."""
    waiting: deque[Document] = deque()

    def sentences() -> Iterator[Sequence[str]]:
        for document in documents:
            waiting.append(document)
            for words in document.sentences:
                yield words.tokens

    ready: list[Tagging] = []
    for one in tagger.tag_scored(sentences(), counts):
        ready.append(one)
        while waiting and len(waiting[0].sentences) <= len(ready):
            yield waiting[0], ready[: len(waiting[0].sentences)]
            del ready[: len(waiting.popleft().sentences)]
    yield from ((document, []) for document in waiting)
