"""Report what is odd in each split, with file and line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from nertool.corpus.blocks import read_blocks
from nertool.corpus.facts import CheckFacts, FindingCounts, FindingFacts, Severity, SplitFigures
from nertool.corpus.line_cache import UNREADABLE, LineCache
from nertool.corpus.profile import Place, Places, Profile
from nertool.spelling import CANONICAL, Spelling
from nertool.tags import OUTSIDE, Pair, broken, pairs, recognise, split_tag

RARE = 50
"""Entities of a type in train below which a model learns little of the type."""
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
BROKEN = ""
"""Key of the places where tags break the scheme, beside the tags' own."""


@dataclass(frozen=True)
class Finding:
    """One kind of oddity in one split.

    Attributes:
        severity: `error` stops a later stage, `warning` costs accuracy or trust, `info` is good to know.
        what: what is odd.
        split: the split.
        count: how often it occurs.
        places: the first places.
        detail: explains a finding that has no place.
    """

    severity: Severity
    what: str
    split: str
    count: int
    places: list[Place] = field(default_factory=list)
    detail: str = ""


@dataclass
class Report:
    """What a check found.

    Attributes:
        splits: sizes by split.
        scheme: scheme of the tags.
        types: entities of each type by split.
        findings: errors first.
    """

    splits: dict[str, SplitFigures]
    scheme: str
    types: dict[str, dict[str, int]]
    findings: list[Finding] = field(default_factory=list)

    def fails(self, on: str | None) -> bool:
        """Whether a finding is as severe as `on`, or more."""
        limit = SEVERITIES.index(on) if on else -1
        return any(SEVERITIES.index(finding.severity) <= limit for finding in self.findings)

    def sort(self) -> None:
        """Put errors first, then warnings."""
        self.findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))

    def as_dict(self) -> CheckFacts:
        """The report as JSON values; places as `file:line what`."""
        findings: list[FindingFacts] = []
        for finding in self.findings:
            places = list(map(str, finding.places))
            findings.append(cast(FindingFacts, {**vars(finding), "places": places}))
        return {"splits": self.splits, "scheme": self.scheme, "types": self.types, "findings": findings}

    def summary(self) -> list[FindingCounts]:
        """Counts by split, a row for each kind of finding."""
        counts: dict[tuple[Severity, str], Counter[str]] = {}
        for finding in self.findings:
            by_split = counts.setdefault((finding.severity, finding.what), Counter(dict.fromkeys(self.splits, 0)))
            by_split[finding.split] += finding.count
        rows: list[FindingCounts] = []
        for (severity, what), by_split in counts.items():
            rows.append(cast(FindingCounts, {"severity": severity, "finding": what, **by_split}))
        return rows


def report_on(profiles: Mapping[str, Profile], located: bool = False, spelling: Spelling = CANONICAL) -> Report:
    """Derive the findings from the profiles of the splits.

    Args:
        located: read the files again where tags are odd, to find every place and not only the first.
        spelling: of the tags, which the profiles have in their canonical form.
    """
    pair_counts: Counter[Pair] = Counter()
    types: set[str] = set()
    for profile in profiles.values():
        pair_counts.update(profile.pairs)
        types.update(profile.entities)
    train = profiles.get("train")
    report = Report({}, recognise(pair_counts), {label: {} for label in sorted(types)})
    for split, profile in profiles.items():
        report.splits[split] = _figures(profile, train)
        for label, entities in report.types.items():
            entities[split] = profile.entities[label]
        report.findings += _spelling_finding(profile, spelling, report.scheme)
        report.findings += _line_findings(profile)
        report.findings += _sentence_findings(profile)
        report.findings += _tag_findings(profile, train or profile, report.scheme, spelling if located else None)
        if profile is train:
            report.findings += _rare_types(train)
    report.sort()
    return report


def _figures(profile: Profile, train: Profile | None) -> SplitFigures:
    """Sizes of a split, and what it has in common with train."""
    figures: SplitFigures = {
        "sentences": profile.sentences,
        "tokens": profile.tokens,
        "entities": profile.entities.total(),
    }
    if train is not None and profile is not train:
        figures["sentences_also_in_train"] = profile.shared["train"].count
        figures["entities_named_in_train"] = sum(profile.names[name] for name in profile.names.keys() & train.names)
    return figures


def _line_findings(profile: Profile) -> Iterator[Finding]:
    if not profile.sentences:
        yield Finding("error", "no sentence", profile.split, 1, [Place(profile.path, 1)])
    for what, places in profile.odd.items():
        yield from _finding("error" if what in UNREADABLE else "warning", what, profile, places)


def _sentence_findings(profile: Profile) -> Iterator[Finding]:
    yield from _finding("warning", "sentence over the length", profile, profile.too_long)
    yield from _finding("warning", "entity cut by a break at the length", profile, profile.cut)
    yield from _finding("warning", "token without sub-words", profile, profile.dropped)
    for other_split, places in profile.shared.items():
        yield from _finding("warning", f"sentence that is in {other_split} too", profile, places)
    yield from _finding("warning", "sentence with other tags than before", profile, profile.conflicts)
    yield from _finding("info", "sentence twice", profile, profile.duplicates)
    if profile.forgotten:
        what = "sentence that later ones are not compared with"
        why = "too many distinct sentences to remember"
        yield Finding("info", what, profile.split, profile.forgotten, detail=why)


def _finding(severity: Severity, what: str, profile: Profile, places: Places) -> Iterator[Finding]:
    """The finding, if there are places."""
    if places.count:
        yield Finding(severity, what, profile.split, places.count, places.first)


def _spelling_finding(profile: Profile, spelling: Spelling, scheme: str) -> Iterator[Finding]:
    """Tags that are spelled in another way than `B-PER` and `O`."""
    if not spelling.is_canonical:
        how = "download --scheme iob2 converts them"
        yield Finding("info", f"tags are spelled {spelling}, read as {scheme}", profile.split, 1, detail=how)


def _tag_findings(profile: Profile, train: Profile, scheme: str, located_in: Spelling | None) -> Iterator[Finding]:
    """Tags that are not in train, and pairs of tags that break the scheme.

    Args:
        located_in: spelling of the tags of the file, to read it again for every place; None for the first places.
    """
    new_tags = sorted(profile.tag_counts.keys() - train.tag_counts.keys() - {OUTSIDE})
    broken_pairs = broken(profile.pairs, scheme)
    if located_in and (new_tags or broken_pairs):
        places = _locate(profile.path, new_tags, broken_pairs, located_in)
    else:
        places = _first_places(profile, new_tags, broken_pairs)
    for tag in new_tags:
        what = f"tag that is not in train: {tag}"
        yield Finding("warning", what, profile.split, profile.tag_counts[tag], places[tag])
    if broken_pairs:
        count = sum(profile.pairs[pair] for pair in broken_pairs)
        what = f"tags that break the scheme ({scheme})"
        yield Finding("warning", what, profile.split, count, places[BROKEN])


def _first_places(profile: Profile, tags: Collection[str], broken_pairs: set[Pair]) -> dict[str, list[Place]]:
    """The first place of each of the tags, and of each broken pair (under BROKEN), as the profile has them."""
    places: dict[str, list[Place]] = {BROKEN: []}
    first_lines: dict[str, int] = {}
    for (before, tag), line in profile.first_pair.items():
        pair = (before or OUTSIDE, tag or OUTSIDE)
        if pair in broken_pairs:
            places[BROKEN].append(Place(profile.path, line, " ".join(pair)))
        first_lines[tag] = min(line, first_lines.get(tag, line))
    for tag in tags:
        places[tag] = [Place(profile.path, first_lines[tag])]
    return places


def _locate(path: Path, tags: Iterable[str], broken_pairs: set[Pair], spelling: Spelling) -> dict[str, list[Place]]:
    """Read a file again for the places of the tags, and of broken pairs of tags (under BROKEN)."""
    places = {BROKEN: Places()}
    for tag in tags:
        places[tag] = Places()
    cache = LineCache(spelling=spelling)
    for block in read_blocks(path):
        cache.add(block, path)
        block_tags = [cache.tags[line] or OUTSIDE for line in block.lines]
        for at, pair in enumerate(pairs(block_tags)):
            if pair in broken_pairs:  # the last pair's second tag stands for the end of the file
                places[BROKEN].add(path, block.first + min(at, len(block_tags) - 1), " ".join(pair))
            if pair[1] in places and at < len(block_tags):
                places[pair[1]].add(path, block.first + at, repr(block.lines[at].rstrip("\n"))[:60])
    return {tag: of_tag.first for tag, of_tag in places.items()}


def _rare_types(train: Profile) -> Iterator[Finding]:
    """Types with few entities in train; a type that train lacks shows by its tags."""
    first_lines: dict[str, int] = {}
    for (_, tag), line in train.first_pair.items():
        label = split_tag(tag)[1]
        first_lines[label] = min(line, first_lines.get(label, line))
    for label, count in sorted(train.entities.items()):
        if count < RARE:
            what = f"rare type, under {RARE} in train: {label}"
            yield Finding("warning", what, "train", count, [Place(train.path, first_lines[label])])
