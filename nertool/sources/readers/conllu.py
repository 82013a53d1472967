"""CoNLL-U: ten tab-separated columns, comments, multiword ranges and empty nodes.

Source: https://universaldependencies.org/format.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, takewhile
from pathlib import Path

from nertool.corpus.column_files import (
    CONLLU_COLUMNS,
    CONLLU_ID,
    Sentence,
    TaggedRow,
    group_sentences,
    is_entity_tag,
)
from nertool.errors import InvalidData, InvalidOption
from nertool.sources.readers.bad_lines import BadLines
from nertool.sources.readers.layout import Layout, column_number, plain_name
from nertool.sources.readers.tag_names import named
from nertool.sources.readers.tally import Tally
from nertool.sources.readers.text_lines import text_lines
from nertool.tags import OUTSIDE

LINES_AHEAD = 2000
"""Lines from which the column of the tags is told."""
MOST_KEYS = 20
"""Names of values that an error lists at the most."""
ENTITY_NAMES = frozenset(
    {"ne", "ner", "netag", "nertag", "netype", "nertype", "namedentity", "entity", "ent", "bio", "iob"}
)
"""Names of values of MISC that hold entities, as `plain_name` gives them."""
NO_TYPE = frozenset({"", "Yes", "No"})
"""Values that do not say what an entity is, as NamedEntity=Yes of GSD."""
GLOBAL_COLUMNS = re.compile(r"#\s*global\.columns\s*=\s*(.+)")


def read(path: Path, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Read the sentences of a CoNLL-U file: its syntactic words (not multiword ranges), with one column as tags.

    The tag column is UPOS unless the layout names another; `feats:NAME` and `misc:NAME` take one value out of those
    columns (where a word has none, `_` and `O`). For entities it is the value in MISC that holds them, if one does. A
    blank line or a word with the id 1 begins a sentence. A comment in front, `# global.columns = ID FORM ...` (CoNLL-U
    Plus), names the columns; then the tag column is the one that CoNLL-U does not have, and UPOS for parts of speech.

    Raises:
        InvalidData: a line with other columns or with a malformed id (names file and line).
        InvalidOption: there is no such column, or no word has a value of that name.
    """
    lines = text_lines(path, tally, encoding=layout.encoding)
    ahead = list(islice(lines, LINES_AHEAD))
    names = _global_columns(line for _, line in ahead)
    token_at, _ = _column(path, layout.token_column or "form", "--token-column", names)
    wanted = layout.tag_column or _likely_tag_column(path, names, layout.task, [line for _, line in ahead], tally)
    tag_at, feature = _column(path, wanted, "--tag-column", names)
    bad = BadLines(layout.on_error, tally)
    words = _words(path, chain(ahead, lines), names, bad, tally)
    column = TagColumn(path, wanted, feature, layout.as_is)
    tally.form = "CoNLL-U"
    sentences = group_sentences(bad.guard(_tagged_words(path, words, token_at, tag_at, column, bad)), path)
    yield from named(sentences, path, layout.tag_names, tally)
    column.check()


def _global_columns(lines: Iterable[str]) -> Sequence[str]:
    """Names of the columns, in lower case: those that the first comments list (CoNLL-U Plus), else CoNLL-U's own."""
    for line in takewhile(lambda line: line.startswith("#"), lines):
        if found := GLOBAL_COLUMNS.fullmatch(line.strip()):
            return found[1].lower().split()
    return CONLLU_COLUMNS


def _likely_tag_column(path: Path, names: Sequence[str], task: str, lines: Iterable[str], tally: Tally) -> str:
    """UPOS in CoNLL-U, or the entities of MISC; in CoNLL-U Plus the only column that CoNLL-U does not have.

    Raises:
        InvalidOption: it has several of these.
    """
    if task == "pos" and "upos" in names:
        return "upos"
    own = [name for name in names if name not in CONLLU_COLUMNS]
    if not own and task == "ner" and "misc" in names:
        lines = list(lines)
        own = _entity_columns(lines, names)
        if not own:
            _refuse_other_entities(path, lines, names.index("misc"))
        shown = ", ".join(own) or "upos, which are parts of speech"
        tally.note(f"{path.name}: the tags are those of {shown} (--tag-column)")
    if len(own) > 1:
        raise InvalidOption(f"{path}: several columns may hold the tags: {', '.join(own)}", "Take one: --tag-column")
    return own[0] if own else "upos"


def _entity_columns(lines: Iterable[str], names: Sequence[str]) -> list[str]:
    """Columns that hold tags of entities alone, as MISC may; else the values of MISC that do so throughout.

    A value of MISC that is O or a type without a prefix, as `NE=PER` beside `NE=O`, is one too.
    """
    misc_at = names.index("misc")
    values: dict[str, set[str]] = {}
    cells: dict[str, set[str]] = {}
    for line in lines:
        fields = line.split("\t")
        for name, cell in zip(names, fields, strict=False) if len(fields) == len(names) else ():
            cells.setdefault(name, set()).add(cell)
        for pair in fields[misc_at].split("|") if len(fields) > misc_at else []:
            key, _, value = pair.partition("=")
            values.setdefault(key, set()).add(value)
    whole = [name for name, found in cells.items() if name != "form" and _holds_entities(found)]
    if whole:
        return whole
    keys = [key for key, found in values.items() if _holds_entities(found)]
    keys = keys or [key for key, found in values.items() if plain_name(key) in ENTITY_NAMES and found == {OUTSIDE}]
    keys = keys or [key for key, found in values.items() if OUTSIDE in found and len(found) > 1]
    return [f"misc:{key}" for key in keys]


def _refuse_other_entities(path: Path, lines: Iterable[str], misc_at: int) -> None:
    """Refuse a file whose MISC holds entities by its names, but no tags of them, so that nobody takes UPOS for these.

    Raises:
        InvalidOption: it is one.
    """
    for line in lines:
        fields = line.split("\t")
        for pair in fields[misc_at].split("|") if len(fields) > misc_at else []:
            key, _, value = pair.partition("=")
            if plain_name(key) in ENTITY_NAMES and value not in NO_TYPE:
                what = f"{path}: {key} in MISC holds {value[:40]}, which is no tag of an entity"
                raise InvalidOption(
                    what, f"Take it all the same: --tag-column misc:{key}; or parts of speech: --task pos."
                )


def _holds_entities(cells: set[str]) -> bool:
    return cells != {OUTSIDE} and all(map(is_entity_tag, cells))


class TagColumn:
    """The column of the tags, or one value of several in it.

    Args:
        column: as it is asked for.
        feature: name of the value in the column; empty for the whole column.
        as_is: no word need have it.
    """

    def __init__(self, path: Path, column: str, feature: str, as_is: bool) -> None:
        self.path, self.column, self.feature = path, column, feature
        self.without = OUTSIDE if column.lower().startswith("misc:") else "_"
        self.is_found = as_is or not feature
        self.others: dict[str, None] = {}

    def tag(self, cell: str) -> str:
        """The tag in a cell; what stands for none where there is none."""
        if not self.feature:
            return cell
        for pair in cell.split("|"):
            key, _, value = pair.partition("=")
            if key == self.feature:
                self.is_found = True
                return value
            if len(self.others) < MOST_KEYS and key != "_":
                self.others[key] = None
        return self.without

    def check(self) -> None:
        """End the file.

        Raises:
            InvalidOption: no word had the value that is asked for.
        """
        if not self.is_found:
            there = ", ".join(self.others) or "no values"
            what = f"{self.path}: no word has {self.feature} in {self.column.partition(':')[0]}"
            raise InvalidOption(
                what, f"There are {there}: take one by --tag-column; to take {self.without}: --accept-as-is."
            )


def _words(
    path: Path, lines: Iterable[tuple[int, str]], names: Sequence[str], bad: BadLines, tally: Tally
) -> Iterator[tuple[int, list[str] | None]]:
    """Give the fields of each word; None where a sentence ends."""
    id_at = names.index("id") if "id" in names else None
    for number, line in lines:
        if line.startswith("#"):
            continue
        if not line.strip():
            yield number, None
            continue
        fields = line.split("\t")
        if found := _find_error(line, fields, names, id_at):
            what, hint = found
            bad.add(number, InvalidData(f"{path}:{number}: {what}", hint))
        elif id_at is not None and not fields[id_at].isdigit():
            tally.add("multiword ranges skipped" if "-" in fields[id_at] else "empty nodes skipped")
        else:
            if id_at is not None and fields[id_at] == "1":
                yield number, None
            yield number, fields


def _tagged_words(
    path: Path,
    words: Iterable[tuple[int, list[str] | None]],
    token_at: int,
    tag_at: int,
    column: TagColumn,
    bad: BadLines,
) -> Iterator[TaggedRow]:
    """Give the token and tag of each word."""
    for number, fields in words:
        if fields is None:
            yield number, None
            continue
        tag = column.tag(fields[tag_at])
        if tag.strip():
            yield number, (fields[token_at], tag)
        else:
            what = f"{path}:{number}: no tag for {fields[token_at]!r}"
            bad.add(number, InvalidData(what, "An empty column holds _."))


def _find_error(line: str, fields: Sequence[str], names: Sequence[str], id_at: int | None) -> tuple[str, str] | None:
    """What is wrong with the columns of a line or with its id, and the hint; None where nothing is."""
    if len(fields) != len(names):
        return (
            f"{len(fields)} columns, CoNLL-U has {len(names)}: {line[:80]!r}",
            "Columns are separated by one tab each; column text of another form has another name (.txt, .conll).",
        )
    if id_at is not None and not CONLLU_ID.fullmatch(fields[id_at]):
        return f"{fields[id_at]!r} is no word id", "Ids are 1, 2-3 or 2.1."
    return None


def _column(path: Path, wanted: str, option: str, names: Sequence[str]) -> tuple[int, str]:
    """0-based index of a column, and the name of the value in it; the whole column where that is empty."""
    if wanted.lower() in names:
        return names.index(wanted.lower()), ""
    name, _, feature = wanted.partition(":")
    if name.lower() in names and name.lower() in ("feats", "misc", "deps"):
        return names.index(name.lower()), feature
    number = column_number(wanted, len(names))
    if number is None:
        raise InvalidOption(
            f"{path}: no column {wanted!r} in CoNLL-U",
            f"{option} takes {', '.join(names[1:])}, feats:NAME or misc:NAME.",
        )
    return number, ""
