"""spaCy 3's binary documents, `.spacy`: tokens, sentences and entities."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nertool.corpus.column_files import Sentence
from nertool.corpus.files import translate_read_errors
from nertool.errors import InvalidData, InvalidOption, require
from nertool.sources.readers.layout import Layout
from nertool.sources.readers.tally import Tally

COARSE, FINE = ("pos", "upos"), ("tag", "xpos")
"""Names of the two kinds of parts of speech."""
LARGEST = 1 << 31
"""Bytes of a file once it is unpacked."""


def read(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Sentences of a file, with entities in IOB2 (or parts of speech) as tags.

    Documents without sentence borders are cut at line breaks. Tokens of white space are left out.

    Raises:
        InvalidData: the file is damaged, or too large.
        InvalidOption: the documents have no such tags.
        NertoolError: spaCy is not installed.
    """
    require(["spacy"], "spacy", path.name)
    tally.form = "spaCy's parts of speech" if layout.task == "pos" else "spaCy's documents"
    if layout.task == "chunk":
        raise InvalidOption(f"{path}: spaCy's documents have no tags for chunk", "Take --task ner or pos.")
    if layout.task == "pos" and layout.tag_column not in ("", *COARSE, *FINE):
        hint = f"Take one by --tag-column: {', '.join((*COARSE, *FINE))}."
        raise InvalidOption(f"{path}: no column {layout.tag_column!r} in spaCy's documents", hint)
    for number, document in enumerate(_documents(path), start=1):
        if layout.task == "ner" and not document.has_annotation("ENT_IOB"):
            tally.add("texts without a list of entities, so all O")
        for tokens in _sentences(document):
            kept = [token for token in tokens if not token.is_space]
            if kept:
                yield Sentence([token.text for token in kept], _tags(kept, layout, tally), number)


def _documents(path: Path) -> Iterator[Any]:
    import spacy
    from spacy.tokens import DocBin

    with translate_read_errors(path):
        packed = path.read_bytes()
    try:
        unpacker = zlib.decompressobj()
        size = len(unpacker.decompress(packed, LARGEST))
        if size == LARGEST and unpacker.unconsumed_tail:
            raise InvalidData(f"{path}: over {LARGEST:,} bytes once it is unpacked", "Write it in several files.")
        store = DocBin(store_user_data=False).from_bytes(packed)
        yield from store.get_docs(spacy.blank("xx").vocab)
    except (zlib.error, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InvalidData(
            f"{path} is no whole file of spaCy 3: {reason[:200]}", "Write it anew by DocBin.to_disk."
        ) from error


def _sentences(document: Any) -> Iterator[list[Any]]:
    if document.has_annotation("SENT_START"):
        for sentence in document.sents:
            yield list(sentence)
        return
    tokens: list[Any] = []
    for token in document:
        tokens.append(token)
        if token.is_space and "\n" in token.text:
            yield tokens
            tokens = []
    yield tokens


def _tags(tokens: list[Any], layout: Layout, tally: Tally) -> list[str]:
    """Tags of a sentence; an entity that goes on from the sentence before, or behind a blank, begins with B."""
    if layout.task == "pos":
        return [(token.tag_ if layout.tag_column in FINE else token.pos_ or token.tag_) or "_" for token in tokens]
    tags: list[str] = []
    before = ""
    for token in tokens:
        prefix = token.ent_iob_
        if prefix in ("", "O"):
            if not prefix:
                tally.add("tokens without a tag, so O")
            tags.append("O")
        else:
            tags.append(f"{'I' if prefix == 'I' and before == token.ent_type_ else 'B'}-{token.ent_type_}")
        before = token.ent_type_
    return tags
