"""Where annotated spans lie: offsets are compared with the text that the spans carry, and with token borders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from nertool.corpus import utf16
from nertool.errors import InvalidData
from nertool.sources.readers.tally import Tally

NEARBY = 200
"""Characters around a span's offsets in which its own text is looked for."""
MANY_SPANS, LEAST_ADDED = 10, 3
"""Spans, and different letters that a way of counting adds to them, that prove it."""
MOST_PLACES = 10_000
"""Places of a span's own text that are looked at; where there are more, the right one is not certain."""
SPAN_HELP = "A span is [start, end, label] or an object with start, end and label, counted in characters from 0."
UTF16, CRLF, BOTH = "in UTF-16", "with CR LF as one character", "in UTF-16 with CR LF as one character"
BYTES, END_INCLUDED, SHIFTED = "in bytes of UTF-8", "with the end included", "from another beginning"
FROM_ONE, FROM_ONE_INCLUDED = "from 1", "from 1 with the end included"


class CharSpan(NamedTuple):
    """An entity: half-open, 0-based places in characters of the text; and its own text, empty where it has none."""

    start: int
    end: int
    label: str
    text: str = ""


class Token(NamedTuple):
    """A token and its half-open, 0-based place in characters of the text."""

    text: str
    start: int
    end: int


class Borders(NamedTuple):
    """Where the tokens of a text begin and end, in characters."""

    starts: set[int]
    ends: set[int]


def borders_of(tokens: Sequence[Token]) -> Borders:
    """Where tokens begin and end."""
    return Borders({token.start for token in tokens}, {token.end for token in tokens})


FITS_BOTH = "texts with spans that fit counted otherwise too, taken as characters"
Reading = Callable[[CharSpan], CharSpan]
"""Gives the span that is meant where offsets are counted in a certain way; -1 for a place that does not exist."""


class SpanOffsets:
    """Places the spans of a file's texts, and remembers how the file counts.

    Args:
        tally: counts texts whose offsets do not count characters, and spans that cannot be placed.

    Attributes:
        proven: ways of counting that the file has been found to use.
        lost: number of spans so far whose own text was not found.
    """

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.proven: set[str] = set()
        self.lost = 0

    def prove(self, texts: Iterable[tuple[str, Sequence[CharSpan], Sequence[Token]]]) -> None:
        """Find out how a file counts from its first texts, each with its spans and tokens.

        Only spans without text of their own need that. There must be many, all whole tokens in the way that is found,
        and none as characters. What this adds to them must differ: else it is an ending that was left out.
        """
        whole: Counter[str] = Counter()
        added: dict[str, set[str]] = {kind: set() for kind in MOVED}
        total = 0
        for text, spans, tokens in texts:
            if any(span.text.strip() for span in spans):
                return
            if _has_astral(text) or "\r\n" in text:
                continue
            borders = borders_of(tokens)
            for span in spans:
                total += 1
                whole[""] += _is_whole(span, text, borders)
                for kind, reading in MOVED.items():
                    read = reading(span)
                    whole[kind] += _is_whole(read, text, borders)
                    added[kind].update((text[read.start : span.start], text[span.end : read.end]))
        found = [kind for kind in MOVED if whole[kind] == total and len(added[kind] - {""}) >= LEAST_ADDED]
        if total >= MANY_SPANS and not whole[""] and found:
            self.proven.add(found[0])

    def locate(self, spans: Sequence[CharSpan], text: str, tokens: Sequence[Token], place: str) -> list[CharSpan]:
        """The spans in characters; those that cannot be placed for certain are left out and told.

        Raises:
            InvalidData: a span without text of its own lies outside (names file and line).
        """
        borders = borders_of(tokens)
        named = [span for span in spans if span.text.strip()]
        if named:
            kind, reading = self._by_own_texts(named, text)
        else:
            kind, reading = self._by_borders(spans, text, borders, place)
        if kind:
            self.proven.add(kind)
            shown = f"{spans[0].start} to {spans[0].end} {spans[0].label}"
            self.tally.add(f"texts with spans counted {kind}", place, f"spans such as {shown} are counted {kind}")
        located: list[CharSpan] = []
        for span in spans:
            found = self._locate_one(span, reading(span), text, borders, place)
            located += [found] if found else []
        return located

    def _by_own_texts(self, named: Sequence[CharSpan], text: str) -> tuple[str, Reading]:
        """The way of counting under which most spans have their own text; characters where no other has more."""
        best_kind = ""
        best_reading: Reading = _as_is
        most = _count_fits(named, _as_is, text)
        if most == len(named):
            return best_kind, best_reading
        for kind, reading in _readings(named, text):
            fits = _count_fits(named, reading, text)
            if fits > most:
                best_kind, best_reading, most = kind, reading, fits
        return best_kind, best_reading

    def _by_borders(self, spans: Sequence[CharSpan], text: str, borders: Borders, place: str) -> tuple[str, Reading]:
        """The way of counting under which all spans are whole tokens, where characters do not make them so.

        One span alone proves nothing: another way is taken for it only where the file has proven it, or where the span
        would lie outside the text.
        """
        if not spans:
            return "", _as_is

        def all_fit(reading: Reading) -> bool:
            return all(_is_whole(reading(span), text, borders) for span in spans)

        for kind, reading in MOVED.items():
            if kind in self.proven and all_fit(reading):
                return kind, reading
        others: list[tuple[str, Reading]] = []
        for kind, reading in [*_unit_readings(text), *_byte_reading(text)]:
            if all_fit(reading) and any(reading(span) != span for span in spans):
                others.append((kind, reading))
        if all_fit(_as_is):
            if others:
                self.tally.add(FITS_BOTH)
            return "", _as_is
        outside = any(span.end > len(text) for span in spans)
        if len(others) == 1 and (len(spans) > 1 or outside or others[0][0] in self.proven):
            return others[0]
        if others:
            detail = f"{len(spans)} span(s) would fit counted {others[0][0]}: taken as characters"
            self.tally.add("texts with spans perhaps not counted in characters", place, detail)
        return "", _as_is

    def _locate_one(self, span: CharSpan, read: CharSpan, text: str, borders: Borders, place: str) -> CharSpan | None:
        if not span.text.strip():
            if not 0 <= read.start < read.end <= len(text):
                raise InvalidData(
                    f"{place}: span {span.start} to {span.end} {span.label} lies outside the text of "
                    f"{len(text)} characters",
                    SPAN_HELP,
                )
            return read
        if _fits(read, text):
            return read
        shown = f"span {span.start} to {span.end} {span.label} is {text[max(read.start, 0) : max(read.end, 0)]!r} there"
        found = _find_nearby(read, text, borders)
        if found is None:
            kind = "spans whose own text is not there, left out"
            self.tally.add(kind, place, f"{shown}, not {span.text[:60]!r}: left out")
            self.lost += 1
            return None
        kind = "spans found by their own text"
        self.tally.add(kind, place, f"{shown}: {span.text[:60]!r} is taken at {found.start} to {found.end}")
        return found


def from_utf16(spans: Sequence[CharSpan], text: str) -> list[CharSpan]:
    """Spans that are known to count UTF-16, in characters and with the text at their place as their own."""
    read = _by_units(text, utf16.units(text))
    return [span._replace(text=text[max(span.start, 0) : max(span.end, 0)]) for span in map(read, spans)]


# -- ways of counting ------------------------------------------------------------------------------

MOVED: dict[str, Reading] = {
    END_INCLUDED: lambda span: span._replace(end=span.end + 1),
    FROM_ONE: lambda span: span._replace(start=span.start - 1, end=span.end - 1),
    FROM_ONE_INCLUDED: lambda span: span._replace(start=span.start - 1),
}
"""Readings that move a span by one character."""


def _as_is(span: CharSpan) -> CharSpan:
    return span


def _readings(named: Sequence[CharSpan], text: str) -> Iterator[tuple[str, Reading]]:
    """All known ways of counting other than in characters, the likeliest first."""
    yield from _unit_readings(text)
    yield from _byte_reading(text)
    yield END_INCLUDED, MOVED[END_INCLUDED]
    shift = _shift(named, text)
    if shift:
        yield SHIFTED, lambda span: span._replace(start=span.start + shift, end=span.end + shift)


def _unit_readings(text: str) -> Iterator[tuple[str, Reading]]:
    """Ways of counting that differ from characters only behind an astral character or a CR LF."""
    astral = utf16.units(text)
    breaks = [0 if text.startswith("\r\n", index) else 1 for index in range(len(text))]
    if _has_astral(text):
        yield UTF16, _by_units(text, astral)
    if "\r\n" in text:
        yield CRLF, _by_units(text, breaks)
        if _has_astral(text):
            yield BOTH, _by_units(text, [wide * counted for wide, counted in zip(astral, breaks, strict=True)])


def _byte_reading(text: str) -> Iterator[tuple[str, Reading]]:
    """Reading of offsets in bytes, which differ from characters behind the first one that is not ASCII."""
    if not text.isascii():
        yield BYTES, _by_units(text, [len(character.encode("utf-8", "surrogatepass")) for character in text])


def _by_units(text: str, units: Sequence[int]) -> Reading:
    """Reading of offsets that count as many units as given for each character."""
    positions: list[int] = []
    for index, count in enumerate(units):
        if count:
            positions += [index] + [-1] * (count - 1)
    positions.append(len(text))

    def position(offset: int) -> int:
        return positions[offset] if 0 <= offset < len(positions) else -1

    return lambda span: span._replace(start=position(span.start), end=position(span.end))


def _shift(named: Sequence[CharSpan], text: str) -> int:
    """What all offsets are off by, told by two or more own texts; 0 where they do not agree."""
    if len({_squeeze(span.text) for span in named}) < 2:
        return 0
    first = named[0]
    near = (at - first.start for at in _occurrences(first.text, text))
    for shift in sorted((shift for shift in near if abs(shift) <= NEARBY), key=abs):
        moved = (span._replace(start=span.start + shift, end=span.end + shift) for span in named)
        if all(_fits(span, text) for span in moved):
            return shift
    return 0


# -- comparison ------------------------------------------------------------------------------------


def _has_astral(text: str) -> bool:
    return bool(text) and max(text) > "\uffff"


def _count_fits(spans: Sequence[CharSpan], reading: Reading, text: str) -> int:
    return sum(_fits(reading(span), text) for span in spans)


def _fits(span: CharSpan, text: str) -> bool:
    """Whether the text at the span is its own text, but for white space and case."""
    inside = 0 <= span.start < span.end <= len(text)
    return inside and _squeeze(text[span.start : span.end]) == _squeeze(span.text)


def _squeeze(text: str) -> str:
    """Tools write a line break in a span as a blank or as `\\n`."""
    return "".join(text.replace("\\n", "\n").split()).casefold()


def _is_whole(span: CharSpan, text: str, borders: Borders) -> bool:
    """Whether a span begins and ends with a token, but for white space around it."""
    if not 0 <= span.start < span.end <= len(text):
        return False
    inside = text[span.start : span.end]
    start = span.start + len(inside) - len(inside.lstrip())
    return start in borders.starts and span.start + len(inside.rstrip()) in borders.ends


def _find_nearby(span: CharSpan, text: str, borders: Borders) -> CharSpan | None:
    """The only place in the text where the span's own text is whole tokens; None where there are more or none near."""
    wanted = span.text.strip()
    start = max(0, span.start - NEARBY)
    if text.find(wanted, start, start + 2 * NEARBY + len(wanted)) < 0:  # without a look at all of a long text
        return None
    found: list[int] = []
    for number, at in enumerate(_occurrences(wanted, text)):
        if at in borders.starts and at + len(wanted) in borders.ends:
            found.append(at)
        if len(found) > 1 or number == MOST_PLACES:
            return None
    if not found or abs(found[0] - span.start) > NEARBY:
        return None
    return span._replace(start=found[0], end=found[0] + len(wanted))


def _occurrences(wanted: str, text: str) -> Iterator[int]:
    at = text.find(wanted)
    while at >= 0:
        yield at
        at = text.find(wanted, at + 1)
