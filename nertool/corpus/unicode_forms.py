"""Find words that occur in two Unicode forms: composed (NFC), and with letters and accents apart (NFD)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from unicodedata import normalize

from nertool.corpus.check_report import Finding
from nertool.corpus.files import numbered_lines
from nertool.corpus.line_cache import LineCache
from nertool.corpus.profile import PLACES, Place

TWO_FORMS = "word not in NFC that occurs in NFC too"


class _Occurrences:
    """How often each word occurs, and where it does so first."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: dict[str, Place] = {}

    def add(self, word: str, path: Path, line: int) -> None:
        self.counts[word] += 1
        if word not in self.first:
            self.first[word] = Place(path, line)


def words_in_two_forms(paths: Mapping[str, Path], cache: LineCache) -> Iterator[Finding]:
    """Find words that are not in NFC and occur in NFC too; only where there are any, the splits are read again.

    Args:
        paths: file of each split.
        cache: the lines of all splits have been added to it.
    """
    words = cache.not_nfc
    composed = {normalize("NFC", word) for word in words}
    if not cache.has_forgotten:
        composed.intersection_update(cache.tokens.values())
    if not composed:
        return
    in_nfc = _Occurrences()
    others = {split: _Occurrences() for split in paths}
    for split, path in paths.items():
        for number, line in numbered_lines(path):
            word = line.partition(" ")[0].rstrip()
            if word in composed:
                in_nfc.add(word, path, number)
            elif word in words:
                others[split].add(word, path, number)
    for split, occurrences in others.items():
        yield from _finding(split, occurrences, in_nfc)


def _finding(split: str, others: _Occurrences, in_nfc: _Occurrences) -> Iterator[Finding]:
    """Give the finding of one split; it names the first place of each word."""
    count, places = 0, []
    for word, place in others.first.items():
        twin = normalize("NFC", word)
        if twin not in in_nfc.counts:
            continue
        count += others.counts[word]
        first = in_nfc.first[twin]
        times = f"{others.counts[word]:,} times, in NFC {in_nfc.counts[twin]:,} times"
        places.append(place._replace(what=f"{twin!r} {times}, as in {first.path.name}:{first.line}"))
    if count:
        yield Finding("warning", TWO_FORMS, split, count, places[:PLACES])
