"""What the user says about a file's columns, and how a column is found by its name or number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nertool.corpus.column_files import HIPE_TAGS, TAG_NAMES
from nertool.corpus.running_text import CHARACTERS
from nertool.errors import InvalidOption

NO_LETTER = re.compile(r"[\W_]")
NAMES_HELP = "Name them: --tag-names FILE (a name a line, the first one is 0; or JSON, as label.json)."
DOCUMENT_NAMES = (
    *("docid", "documentid", "doc", "document", "docname", "documentname", "articleid", "article"),
    *("file", "filename", "fileid", "source", "pmid", "noteid"),
)
SENTENCE_NAMES = (
    *("sentenceid", "sentence", "sentid", "sent", "sentenceidx", "sentenceindex", "sentencenumber", "sentencenum"),
    *("sentenceno", "sentencenr", "sentidx", "sentindex", "sentnumber", "sentnum", "sentno", "sentnr", "sid"),
    *("seqid", "lineid", "exampleid", "sampleid", "utteranceid", "segmentid", "tweetid", "textid", "id"),
)
"""Likely names of columns, the likeliest first, as `plain_name` gives them."""


@dataclass(frozen=True)
class Layout:
    """What the user says about a file's columns; a reader finds out what is not said.

    Attributes:
        task: `ner`, `pos` or `chunk`; decides between several tag columns.
        token_column: name, or 1-based number (negative from the end), of the tokens' column.
        tag_column: the same of the tags' column; in CoNLL-U also `feats:NAME` and `misc:NAME`.
        sentence_column: the same of the sentence id's, where a row holds a token.
        delimiter: what separates the columns of column text; empty: a tab where there is one, else white space.
        comment: column text's lines that begin with this are left out, unless they hold a token with a tag; empty: only
            lines before a sentence that begin with # and a blank.
        encoding: of the text.
        on_error: what a line that cannot be read does: `stop`, or `skip`, which leaves it out.
        sentence_end: a token that ends a sentence, for files without blank lines; empty: none does.
        tag_names: names of tags given as integers, the first one of 0.
        text_column: key of the text in records of texts; empty: one of the usual ones.
        spans_column: key of the spans in such records, or the tag's layer or feature in WebAnno's files.
        annotator: whose annotation is taken where several people annotated a text: name, id or 1-based number; empty:
            the first one's.
        alignment: what becomes of a character span that does not fall on token borders: `strict` leaves it out,
            `expand` takes every token it touches, `contract` those that lie in it whole.
        tokenizer: how texts are cut into tokens; see `running_text.cutter`.
        as_is: take data even where they look wrong.
    """

    task: str = "ner"
    token_column: str = ""
    tag_column: str = ""
    sentence_column: str = ""
    delimiter: str = ""
    comment: str = ""
    encoding: str = "utf-8"
    on_error: str = "stop"
    sentence_end: str = ""
    tag_names: tuple[str, ...] = ()
    text_column: str = ""
    spans_column: str = ""
    annotator: str = ""
    alignment: str = "strict"
    tokenizer: str = CHARACTERS
    as_is: bool = False


def plain_name(name: str) -> str:
    """A column's name in lower case, letters and digits alone: `Sentence #` is sentence, `Sent_ID` is sentid."""
    return NO_LETTER.sub("", name.lower())


def tag_columns(task: str) -> tuple[str, ...]:
    """Likely names of the tag column: run_ner.py's `ner_tags` first."""
    own = {"pos": ["upos"], "ner": [HIPE_TAGS]}
    return (f"{task}_tags", f"{task}_tag", task, *own.get(task, []), *TAG_NAMES)


def find_column(path: Path | str, wanted: str, option: str, names: Sequence[str], likely: Sequence[str]) -> str:
    """The column of that name or number, or the first of the `likely` ones that is there.

    Raises:
        InvalidOption: there is none; the hint lists those there are.
    """
    if wanted and wanted in names:
        return wanted
    number = column_number(wanted, len(names))
    if number is not None:
        return names[number]
    if not wanted:
        for name in likely:
            for there in names:
                if there.lower() == name:
                    return there
    what = f"no column {wanted!r}" if wanted else f"no column that {option} would stand for"
    raise InvalidOption(f"{path}: {what}", f"Its columns are {', '.join(names)}: take one by {option}.")


def column_index(path: Path | str, wanted: str, option: str, names: Sequence[str], likely: Sequence[str] = ()) -> int:
    """0-based index of the column that `find_column` finds.

    Raises:
        InvalidOption: there is none; or several columns have this name.
    """
    number = None if wanted in names else column_number(wanted, len(names))
    if number is not None:
        return number
    name = find_column(path, wanted, option, names, likely)
    places = [str(place) for place, other in enumerate(names, start=1) if other == name]
    if len(places) > 1:
        hint = f"Take one by its number: {option} {' or '.join(places)}."
        raise InvalidOption(f"{path}: several columns are named {name}", hint)
    return names.index(name)


def column_number(wanted: str, width: int) -> int | None:
    """0-based index of the column with a 1-based number, negative from the end; None where it is not there."""
    try:
        number = int(wanted)
    except ValueError:
        return None
    index = number - 1 if number > 0 else width + number
    return index if number and 0 <= index < width else None
