"""Column files: one token a line, a blank line ends a sentence; UTF-8, `token, space, tag`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TextIO, TypeVar

from nertool.corpus.files import numbered_lines
from nertool.errors import InvalidData, command
from nertool.tags import OUTSIDE

Row = TypeVar("Row")
CONLLU_COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
"""Columns of CoNLL-U. Source: https://universaldependencies.org/format.html"""
TOKEN_NAMES = ("tokens", "token", "words", "word", "form", "text")
TAG_NAMES = (
    "tags",
    "tag",
    "labels",
    "label",
    "ner",
    "entity",
    "iob",
    "bio",
    "iob_tag",
    "bio_tag",
    "ent_iob",
    "ent_iob_",
)
SENTENCE_ENDS = frozenset({"EndOfSentence", "PySBDSegment"})
"""What HIPE's files have in MISC at the last token of a sentence."""
HIPE_TAGS = "ne-coarse-lit"
"""The column of outer entities in the files of HIPE."""
DOCUMENT_MARK = re.compile(r"-DOC(?:START|END)-\S*", re.IGNORECASE)
"""What stands between documents, as -DOCSTART-; some corpora number it, or mark the end too."""
CONLLU_ID = re.compile(r"\d+(?:[-.]\d+)?")
"""Id of a word, of a multiword range (1-2) or of an empty node (1.1)."""
CONLL2012_BEGINNING = re.compile(r"\s*(?:#begin document|\S+[ \t]+\d+[ \t]+0[ \t]+\S+[ \t]+\S+[ \t]+\(TOP)")
"""How CoNLL-2012 begins: with the line in front of a document, or its first word, whose parse begins with TOP."""
ENTITY_TAG = re.compile(r"[BIESLUMW]-\S")
"""A tag of an entity, such as B-PER."""
PART_OF_SPEECH = re.compile(
    "ADJ|ADP|ADV|AUX|CCONJ|DET|INTJ|NOUN|NUM|PART|PRON|PROPN|PUNCT|SCONJ|SYM|VERB"
    r"|CC|CD|DT|EX|IN|JJ[RS]?|MD|NNP?S?|PDT|POS|PRP\$?|RB[RS]?|RP|TO|UH|VB[DGNPZ]?|WDT|WP\$?|WRB"
)
"""Tags of Universal Dependencies and of the Penn Treebank."""
WORDS_TOO = frozenset({"AUX", "CC", "CD", "EX", "IN", "MD", "NUM", "PART", "POS", "RP", "SYM", "TO", "UH"})
"""Parts of speech that may be words in capitals."""
INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u2060\ufeff]")
"""Characters of no width: soft hyphens, marks of direction and of byte order; not the joiners that scripts need."""
JOINERS = str.maketrans("", "", "\u200c\u200d")
"""Leaves out the joiners, which Python takes for characters that cannot be printed."""
COUNTER = re.compile(r"(?:\d+[-_.])?(\d{1,12})[.:)]?")
"""A field that counts tokens: 3, 3:, or 2-3 for the third of the second sentence; longer numbers count nothing."""
MOST_ROWS, MOST_CHARACTERS = 1_000_000, 1 << 25
"""Tokens of a sentence, and characters of these and their tags, beyond which nothing seems to end one."""
ENDLESS_HELP = "A blank line ends a sentence; or name the token that does: --sentence-end ."
TaggedRow = tuple[int, "tuple[str, str] | None"]
"""1-based number of a line or row, with its token and tag; None in place of these ends a sentence."""


class Sentence(NamedTuple):
    """Tokens with their tags, and the 1-based number of the first token's line (or row) in its file."""

    tokens: list[str]
    tags: list[str]
    line: int


def is_part_of_speech(field: str) -> bool:
    """Whether a field is a part of speech, and no word in capitals as TO and IN may be."""
    return field not in WORDS_TOO and PART_OF_SPEECH.fullmatch(field) is not None


def marks_document(field: str) -> bool:
    """Whether a field is -DOCSTART- or the like, which is no token."""
    return field[:1] == "-" and DOCUMENT_MARK.fullmatch(field) is not None


def is_entity_tag(field: str) -> bool:
    """Whether a field is O or the tag of an entity."""
    return field == OUTSIDE or ENTITY_TAG.match(field) is not None


def ends_sentence(cell: str) -> bool:
    """Whether a cell of marks, with | between, says that its token is the last one of its sentence."""
    return not SENTENCE_ENDS.isdisjoint(cell.split("|"))


def counted(field: str) -> int | None:
    """The number of a field that counts tokens; None where it counts none."""
    counter = COUNTER.fullmatch(field)
    return int(counter[1]) if counter else None


def names_columns(fields: Iterable[str]) -> bool:
    """Whether fields are names of columns, a token's and a tag's among them."""
    lower = {field.strip().lower() for field in fields}
    tags = {*TAG_NAMES, HIPE_TAGS, "upos"}
    for task in ("ner", "pos", "chunk"):
        tags |= {task, f"{task}_tags", f"{task}_tag"}
    return not (tags.isdisjoint(lower) or lower.isdisjoint(TOKEN_NAMES))


def group_rows(
    rows: Iterable[tuple[int, Row | None]], label: Path | str, length: Callable[[Row], int], hint: str = ENDLESS_HELP
) -> Iterator[tuple[int, list[Row]]]:
    """Group rows into sentences, each with the number of its first row.

    Args:
        rows: each with its 1-based number; None in place of a row ends a sentence.
        label: the file's name, for messages.
        length: characters of a row.
        hint: what to do where nothing ends a sentence.

    Raises:
        InvalidData: a sentence has no end, so it would fill the memory (names file and line).
    """
    sentence: list[Row] = []
    first = characters = 0
    for number, row in rows:
        if row is not None:
            first = first or number
            sentence.append(row)
            characters += length(row)
            if characters > MOST_CHARACTERS or len(sentence) > MOST_ROWS:
                raise InvalidData(f"{label}:{first}: a sentence of over {len(sentence) - 1:,} tokens", hint)
        elif sentence:
            yield first, sentence
            sentence, first, characters = [], 0, 0
    if sentence:
        yield first, sentence


def group_sentences(rows: Iterable[TaggedRow], label: Path | str) -> Iterator[Sentence]:
    """Group rows of (token, tag) into sentences, as `group_rows` does."""
    for first, pairs in group_rows(rows, label, lambda pair: len(pair[0]) + len(pair[1])):
        tokens, tags = zip(*pairs, strict=True)
        yield Sentence(list(tokens), list(tags), first)


def read_sentences(path: Path) -> Iterator[Sentence]:
    """Read the sentences of a `token, space, tag` file, one at a time.

    The token stands before the first space, the tag behind the last one, as in `run_ner.py`. White space at the end
    of a line does not count.

    Raises:
        InvalidData: a line has no tag, or is not UTF-8 (names file and line).
    """
    tokens: list[str] = []
    tags: list[str] = []
    first = 0
    for number, line in numbered_lines(path):  # not through `group_sentences`, which takes a third longer here
        line = line.rstrip()
        if line:
            token, _, rest = line.partition(" ")
            if not token or not rest:
                raise InvalidData(
                    f"{path}:{number}: no tag behind the token: {line!r}", "A line holds a token, one space and a tag."
                )
            first = first or number
            tokens.append(token)
            tags.append(rest.rpartition(" ")[2])
        elif tokens:
            yield Sentence(tokens, tags, first)
            tokens, tags, first = [], [], 0
    if tokens:
        yield Sentence(tokens, tags, first)


def write_columns(target: TextIO, columns: Iterable[Iterable[str]]) -> None:
    """Write one sentence: a line for each row of `zip(*columns)`, then a blank line."""
    for row in zip(*columns, strict=True):
        target.write(" ".join(row) + "\n")
    target.write("\n")


def can_be_shown(label: str) -> bool:
    """Whether a label holds no control character and no invisible one but the joiners that scripts need."""
    return label.translate(JOINERS).isprintable()


def read_labels(path: Path) -> list[str]:
    """The labels of `labels.txt`, in its order; the position is the label's id.

    Raises:
        InvalidData: a blank line between labels, or a label twice or that no line can show (names file and line).
    """
    labels: dict[str, int] = {}
    anew = command(path.parent, "labels", "--force")
    for number, line in numbered_lines(path):
        label = line.rstrip()
        if not can_be_shown(label):
            raise InvalidData(
                f"{path}:{number}: {label!r} holds a control character or an invisible one",
                "Remove it from the label, in the data too.",
            )
        if not label or label in labels:
            what = f"{label!r} stands there twice" if label else "a blank line"
            raise InvalidData(f"{path}:{number}: {what}", f"Every line holds one label; write it anew: {anew}")
        labels[label] = number
    if not labels:
        raise InvalidData(f"{path} is empty", f"Write it anew: {anew}")
    return list(labels)
