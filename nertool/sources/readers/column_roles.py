"""What each column of column text holds, as its first rows tell: numbers, tokens or tags; CSV goes by their names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from nertool.corpus.column_files import (
    ENTITY_TAG,
    TOKEN_NAMES,
    counted,
    ends_sentence,
    is_entity_tag,
    is_part_of_speech,
)
from nertool.sources.readers.layout import DOCUMENT_NAMES, SENTENCE_NAMES, plain_name
from nertool.tags import OUTSIDE

Rows = list[list[str]]
FIRST_ROWS = 3
"""Rows that are enough to tell an index by."""
MOST_ALONE = 10
"""Sentences of one token are at most one in so many rows, where nothing else ends a sentence."""
LEAST_WORDS = 8
"""Rows that tell words from what has fewer forms, as parts of speech."""
NUMBERED_WORD = re.compile(r"[^\W\d_]+\d+")
"""A word with a number behind it, which may be a token."""
LEAST_REPEATED = 2
"""Rows that repeat the cell above, which tell a column of names."""
LONGEST_NUMBER = 12
"""Digits of a number of a sentence."""
PREFIXES = frozenset("BIOESLUMW")
EMPTY = frozenset({"_", "-", "*", "--"})
"""What stands in a column that holds nothing."""
EMPTY_TAGS = "tokens with an empty tag, so O"
"""What is counted of them."""
NAMES_AGAIN = "lines that name the columns again, left out"
"""What is counted of these, which files that were joined have."""
NO_TYPE = frozenset({"", "O", "_", "-"})
"""What stands where a type would, beside a prefix in a column of its own, outside entities."""
NO_TAG = re.compile(r"[_*-]+|[-+]?\d*[.,]?\d+(?:[eE][-+]?\d+)?|\(\S*|\S*\*\S*|\S*\)")
"""What stands in columns behind the tags: scores, offsets, brackets of other layers, or nothing."""
UNDERSCORED = re.compile(r"[BIESLUMW]_\S")
CHUNKS = frozenset({"NP", "VP", "PP", "ADVP", "ADJP", "SBAR", "PRT", "CONJP", "INTJ", "LST", "UCP", "NC", "VC", "PC"})
"""Types of chunks, whose column stands before that of the entities."""


class Table(NamedTuple):
    """The first rows of a file, each as long as the first line.

    Attributes:
        names: fields of the first line.
        has_header: they name the columns; else they are the first row too.
        sentences: rows by sentence, as far as blank lines tell; at least one sentence.
    """

    names: list[str]
    has_header: bool
    sentences: list[Rows]

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.names)

    def column(self, at: int) -> list[str]:
        """The cells of a column."""
        return [row[at] for sentence in self.sentences for row in sentence]

    def named(self, likely: Iterable[str], spell: Callable[[str], str] = str.lower) -> int | None:
        """0-based index of the column with the likeliest name; None where none has one of them.

        Args:
            spell: gives a name as the likely ones are spelled.
        """
        names = [spell(name.strip()) for name in self.names]
        return next((names.index(name) for name in likely if name in names), None) if self.has_header else None


# -- numbers ---------------------------------------------------------------------------------------


def counts_up(column: Sequence[str]) -> bool:
    """Whether a column of some rows counts them."""
    numbers = [counted(cell) for cell in column]
    first = numbers[0] if numbers else None
    return first is not None and len(numbers) >= FIRST_ROWS and numbers == [*range(first, first + len(numbers))]


def counts_tokens(table: Table, at: int) -> bool:
    """Whether a column counts: from 0 or 1 in each sentence, or through the whole file.

    Without blank lines it may begin again as well, as `1 2 3 1 2` or `1-1 1-2 1-3 2-1` do; rarely behind one token, as
    `1 1 1 2 2 2` numbers sentences.
    """
    rows = sum(map(len, table.sentences))
    if table.width < 3 or rows < FIRST_ROWS:
        return False
    before = most = again = alone = 0
    for sentence in table.sentences:
        for position, row in enumerate(sentence):
            number = counted(row[at])
            if number is None:
                return False
            most = max(most, number)
            if begins_again(number, before) and position:
                again += 1
                alone += number == before and row[at] == sentence[position - 1][at]
            elif not (position == 0 and number in (0, 1)) and (before or position) and number != before + 1:
                return False
            before = number
    return not again or (most > 1 and MOST_ALONE * alone <= rows)


def token_counter(table: Table, token_at: int, tag_at: int, id_at: Sequence[int]) -> int | None:
    """0-based index of a column that counts tokens; one behind these only where nothing else ends sentences."""
    alone = not id_at and sum(map(bool, table.sentences)) == 1
    places = [at for at in range(table.width if alone else token_at) if at not in (*id_at, token_at, tag_at)]
    return next((at for at in places if counts_tokens(table, at)), None)


def numbers_tokens(table: Table, at: int) -> bool:
    """Whether a column that has the name of a sentence's id counts tokens.

    Where nothing but the numbers would tell sentences, only one named `id` may: rows of `sentence_id` may be mixed.
    """
    return counts_tokens(table, at) and (sum(map(bool, table.sentences)) > 1 or plain_name(table.names[at]) == "id")


def begins_again(number: int | None, before: int | None) -> bool:
    """Whether a number that counts tokens is the first one of a sentence, behind the one before."""
    return number in (0, 1) and number is not None and before is not None and number <= before


def id_columns(table: Table) -> tuple[int, ...]:
    """Columns of a sentence's id, behind that of its document, by their names.

    Without such a name, a first one that numbers sentences or repeats a name throughout each of them, or a last one
    that numbers sentences. Empty where there is none, or where it counts tokens.
    """
    at = table.named(SENTENCE_NAMES, plain_name)
    if at is not None and not numbers_tokens(table, at):
        document = table.named(DOCUMENT_NAMES, plain_name)
        return (at,) if document in (None, at) else (document, at)
    may_be_first = not table.has_header or table.named(TOKEN_NAMES) not in (None, 0)
    if may_be_first and (_numbers_sentences(table, 0) or _repeats(table, 0)):
        return (0,)
    return (table.width - 1,) if not table.has_header and _numbers_sentences(table, table.width - 1) else ()


def _numbers_sentences(table: Table, at: int) -> bool:
    """Whether a column numbers the sentences, where no blank line ends one: 1 1 1 2 2 3."""
    if table.width < 3 or sum(map(bool, table.sentences)) != 1:
        return False
    cells = table.column(at)
    if not all(cell.isdecimal() and len(cell) <= LONGEST_NUMBER for cell in cells):
        return False
    numbers = list(map(int, cells))
    steps = {after - before for before, after in zip(numbers, numbers[1:], strict=False)}
    return steps == {0, 1}


def _repeats(table: Table, at: int) -> bool:
    """Whether a column in front of others holds the name of a sentence or document in each row: s1 s1 s1 s2 s2.

    Words are hardly ever repeated at once. Names all have digits, or all have letters; one without digits for all rows
    is none.
    """
    rows = table.column(at)
    have_digits = all(any(map(str.isdecimal, cell)) for cell in rows)
    have_letters = all(any(map(str.isalpha, cell)) for cell in rows)
    if not (have_digits or (have_letters and len({*rows}) > 1)):
        return False
    sentences = sum(map(bool, table.sentences))
    equal = _equal_neighbours(table, at)
    throughout = equal == len(rows) - sentences if sentences > 1 else len(rows) - len({*rows}) == equal >= len(rows) / 2
    return table.width > 2 and equal >= LEAST_REPEATED and throughout and 2 * _equal_neighbours(table, at + 1) < equal


def is_constant(table: Table, at: int) -> bool:
    """Whether a column in front of others holds the same in all rows, as the name of a document or a language."""
    cells = table.column(at) if table.width > at + 2 else []
    return len(cells) > FIRST_ROWS and len({*cells}) == 1


def stands_before_words(table: Table, at: int) -> bool:
    """Whether the next column holds words, and this one half as many different ones, or only names with digits."""
    cells = table.column(at) if table.width > at + 2 else []
    words = {cell for cell in table.column(at + 1) if cell.isalpha()} if cells else set()
    if len(cells) >= LEAST_WORDS and 2 * len({*cells}) <= len(words):
        return True
    are_names = all(any(map(str.isdigit, cell)) and not NUMBERED_WORD.fullmatch(cell) for cell in cells)
    are_names = are_names and not all(map(str.isdecimal, cells))  # these are refused as numbers
    several = sum(not is_part_of_speech(word) for word in words)
    return are_names and len(cells) > FIRST_ROWS and 2 * several > len(cells)


def _equal_neighbours(table: Table, at: int) -> int:
    """Number of rows with the same cell as the row above in the same sentence."""
    count = 0
    for sentence in table.sentences:
        cells = [row[at] for row in sentence]
        count += sum(map(str.__eq__, cells, cells[1:]))
    return count


def parted(table: Table, id_at: Sequence[int]) -> Table:
    """The table with its sentences parted where another id begins."""
    sentences: list[Rows] = []
    for sentence in table.sentences:
        before: list[str] | None = None
        for row in sentence:
            own = [row[at] for at in id_at]
            if before is None or (own[-1] and own != before):
                sentences.append([])
                before = own
            sentences[-1].append(row)
    return table._replace(sentences=sentences or [[]])


# -- tags ------------------------------------------------------------------------------------------


def empty_is_outside(tags: Sequence[str]) -> bool:
    """Whether empty tags stand for O: all others are those of entities, and none is O."""
    others = {tag.strip() for tag in tags}
    return "" in others and len(others) > 1 and all(map(ENTITY_TAG.match, others - {""}))


def prefixes_stand_apart(table: Table) -> tuple[int, int] | None:
    """Indices, from the end, of the last two columns if they hold the prefix and the type of a tag; else None."""
    for prefix_at, kind_at in ((-2, -1), (-1, -2)):
        if table.width > 2 and holds_prefixes(table, prefix_at) and holds_types(table, prefix_at, kind_at):
            return prefix_at, kind_at
    return None


def holds_prefixes(table: Table, at: int) -> bool:
    """Whether a column holds nothing but prefixes, and one of an entity."""
    cells = {*table.column(at)}
    return cells <= PREFIXES and cells != {OUTSIDE} and bool(cells)


def holds_types(table: Table, prefix_at: int, at: int) -> bool:
    """Whether a column holds a type where another one has a prefix, and none outside."""
    rows = [row for sentence in table.sentences for row in sentence]
    return all((row[prefix_at] == OUTSIDE) == (row[at] in NO_TYPE) for row in rows)


def join(fields: list[str], places: tuple[int, int]) -> list[str]:
    """Make one tag of the last two fields, a prefix and a type, which stand at these places."""
    return [*fields[:-2], joined_tag(fields[places[0]], fields[places[1]])]


def joined_tag(prefix: str, kind: str) -> str:
    """The tag of a prefix and a type."""
    return OUTSIDE if prefix == OUTSIDE else f"{prefix}-{kind}"


def last_with_tags(table: Table, token_at: int, task: str) -> int:
    """0-based index of the last column, or of the last one of entities in front of it.

    That is where the last one holds scores or the like; for entities, also where it holds parts of speech, or anything
    else without an O.
    """
    last = table.width - 1
    cells = {*table.column(last)}
    if cells != {"0"} and all(map(NO_TAG.fullmatch, cells)):  # 0 may stand for O
        behind = range(token_at + 1, last)
        before = [at for at in behind if types_of(table, at)] or [at for at in behind if OUTSIDE in table.column(at)]
    elif task == "ner" and OUTSIDE not in cells and not holds_entities(table, last):
        behind = range(token_at + 1, last)
        before = [at for at in behind if holds_names(table, at) or {*table.column(at)} == {OUTSIDE}]
    else:
        return last
    return before[-1] if before else last


def part_of_speech(table: Table, token_at: int) -> int:
    """0-based index of the first column behind the tokens that holds neither entities nor lemmas; else the first."""
    for at in range(token_at + 1, table.width):
        nothing = all(map(NO_TAG.fullmatch, table.column(at)))
        if not (nothing or holds_entities(table, at) or _holds_lemmas(table, token_at, at)):
            return at
    return token_at + 1


def _holds_lemmas(table: Table, token_at: int, at: int) -> bool:
    """Whether a column repeats more than a third of the words."""
    tokens, cells = table.column(token_at), table.column(at)
    pairs = [(token.casefold(), cell.casefold()) for token, cell in zip(tokens, cells, strict=True) if token.isalpha()]
    same = sum(token == cell and len(token) > 1 for token, cell in pairs)
    return 3 * same > len(pairs)


def holds_entities(table: Table, at: int) -> bool:
    """Whether all tags of a column are O or those of entities, as B-PER or B_PER."""
    return all(is_entity_tag(cell) or UNDERSCORED.match(cell) for cell in table.column(at))


def holds_clauses(table: Table, at: int) -> bool:
    """Whether a column holds clauses, as LST20 has them behind the entities."""
    return types_of(table, at) == {"CLS"}


def ends_sentences(table: Table) -> int | None:
    """0-based index of the column that says where sentences end, as MISC does in HIPE's files; None without one."""
    for at in range(table.width):
        if any(map(ends_sentence, table.column(at))):
            return at
    return None


def types_of(table: Table, at: int) -> set[str]:
    """Types of the entities of a column; none where it holds anything else."""
    return {cell[2:] for cell in table.column(at) if cell != OUTSIDE} if holds_entities(table, at) else set()


def holds_names(table: Table, at: int) -> bool:
    """Whether a column holds entities, and not chunks."""
    types = types_of(table, at)
    return bool(types) and types.isdisjoint(CHUNKS)


def rivals(table: Table, token_at: int, last: int) -> list[int]:
    """Columns between the tokens and the last one that may hold the tags, too: of entities, or of its types."""
    types = types_of(table, last)
    between = range(token_at + 1, last)
    return [at for at in between if holds_names(table, at) or not types.isdisjoint(types_of(table, at))]


def only_tags(table: Table) -> int | None:
    """The one column of entities behind an index and tokens; None unless the last one holds nothing, as in UNER's."""
    if not EMPTY.issuperset(table.column(-1)):
        return None
    holding = [at for at in range(2, table.width - 1) if holds_entities(table, at)]
    return holding[0] if len(holding) == 1 else None


# -- places in a text ------------------------------------------------------------------------------


def beside_places(table: Table) -> int | None:
    """0-based index of the column whose cells are as long as two columns of places beside each other say.

    That is the token in a row of `a.txt 0 4 Anna B-PER`, and the entity in a row of a list of entities. None where no
    columns hold such places.
    """
    rows = [row for sentence in table.sentences for row in sentence]
    for start_at in range(table.width - 1) if len(rows) >= FIRST_ROWS else ():
        lengths = [_length(row[start_at], row[start_at + 1]) for row in rows]
        if all(lengths):
            others = [at for at in range(table.width) if at not in (start_at, start_at + 1)]
            fits = {at: sum(len(row[at]) == length for row, length in zip(rows, lengths, strict=True)) for at in others}
            best = max(fits, key=fits.__getitem__, default=None)
            if best is not None and MOST_ALONE * (len(rows) - fits[best]) <= len(rows):
                return best
    return None


def _length(start: str, end: str) -> int:
    """Characters between two places; 0 where these are none."""
    both = start.isdecimal() and end.isdecimal() and len(start) <= LONGEST_NUMBER and len(end) <= LONGEST_NUMBER
    return max(0, int(end) - int(start)) if both else 0
