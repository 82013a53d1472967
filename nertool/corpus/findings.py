"""Findings on the data: what is odd in each split, with file and line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nertool.corpus.known_lines import UNREADABLE, KnownLines, read_blocks
from nertool.corpus.profile import Place, Places, Profile
from nertool.tags import OUTSIDE, Pair, broken, pairs, recognise, split_tag

RARE = 50
"""Entities of a type in train below which little is learned of it."""
SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class Finding:
    """Something odd in one split.

    Attributes:
        severity: `error` stops a later stage, `warning` costs accuracy or trust, `info` is good to know.
        what: is odd.
        split: where.
        count: how often.
        places: the first ones.
        detail: what it is a part of, where it has no place.
    """

    severity: str
    what: str
    split: str
    count: int
    places: list[Place] = field(default_factory=list)
    detail: str = ""


@dataclass
class Report:
    """What a check found.

    Attributes:
        splits: figures by split: sentences, tokens, entities.
        scheme: of the tags.
        types: entities of each type by split.
        findings: errors first.
    """

    splits: dict[str, dict[str, int]]
    scheme: str
    types: dict[str, dict[str, int]]
    findings: list[Finding] = field(default_factory=list)

    def fails(self, on: str | None) -> bool:
        """There is a finding as severe as `on`, or more."""
        limit = SEVERITIES.index(on) if on else -1
        return any(SEVERITIES.index(finding.severity) <= limit for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values; places as `file:line what`."""
        findings = [{**vars(f), "places": [str(place) for place in f.places]} for f in self.findings]
        return {"splits": self.splits, "scheme": self.scheme, "types": self.types, "findings": findings}

    def summary(self) -> list[dict[str, Any]]:
        """Counts of findings by split, a row a kind."""
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for finding in self.findings:
            key = (finding.severity, finding.what)
            row = rows.setdefault(key, {"severity": key[0], "finding": key[1], **dict.fromkeys(self.splits, 0)})
            row[finding.split] += finding.count
        return list(rows.values())


def report_on(profiles: Mapping[str, Profile], located: bool = False) -> Report:
    """Findings of the splits' profiles.

    Args:
        located: read the files once more where tags are odd, for every place and not the first ones alone.
    """
    together: Counter[Pair] = Counter()
    for profile in profiles.values():
        together.update(profile.pairs)
    scheme = recognise(together)
    types = sorted({label for profile in profiles.values() for label in profile.entities})
    train = profiles.get("train")
    report = Report(
        {split: _figures(profile, train) for split, profile in profiles.items()},
        scheme,
        {label: {split: profile.entities[label] for split, profile in profiles.items()} for label in types},
    )
    for profile in profiles.values():
        report.findings += _own(profile)
        report.findings += _of_tags(profile, train or profile, scheme, located)
        report.findings += _rare(profile, types) if profile is train else ()
    report.findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return report


def _figures(profile: Profile, train: Profile | None) -> dict[str, Any]:
    """Sizes, and what a split has in common with train."""
    figures = {"sentences": profile.sentences, "tokens": profile.tokens, "entities": profile.entities.total()}
    if train is None or profile is train:
        return figures
    common = sum(count for name, count in profile.names.items() if name in train.names)
    return {**figures, "sentences_also_in_train": profile.shared["train"].count, "entities_named_in_train": common}


def _own(profile: Profile) -> Iterator[Finding]:
    """What is odd in a split's lines and sentences."""
    if not profile.sentences:
        yield Finding("error", "no sentence", profile.split, 1, [Place(profile.path, 1)])
    kinds = [("error" if what in UNREADABLE else "warning", what, places) for what, places in profile.odd.items()]
    kinds += [
        ("warning", "sentence over the length", profile.too_long),
        ("warning", "entity cut by a break at the length", profile.cut),
        ("warning", "token without sub-words", profile.dropped),
        *(("warning", f"sentence that is in {other} too", places) for other, places in profile.shared.items()),
        ("warning", "sentence with other tags than before", profile.conflicts),
        ("info", "sentence twice", profile.duplicates),
    ]
    for severity, what, places in kinds:
        if places.count:
            yield Finding(severity, what, profile.split, places.count, places.first)
    if profile.forgotten:
        why = "too many distinct sentences to remember"
        yield Finding(
            "info", "sentence that later ones are not compared with", profile.split, profile.forgotten, [], why
        )


def _of_tags(profile: Profile, train: Profile, scheme: str, located: bool) -> Iterator[Finding]:
    """Tags that are not in train, and pairs of tags that break the scheme."""
    learned = {OUTSIDE, *train.tag_counts}
    strange = {tag: count for tag, count in profile.tag_counts.items() if tag not in learned}
    wrong = broken(profile.pairs, scheme)
    found = _locate(profile.path, strange.keys(), wrong) if located and (strange or wrong) else {}
    for tag, count in sorted(strange.items()):
        first = min(line for (_, second), line in profile.first_pair.items() if second == tag)
        places = found[tag].first if located else [Place(profile.path, first)]
        yield Finding("warning", f"tag that is not in train: {tag}", profile.split, count, places)
    if wrong:
        count = sum(profile.pairs[pair] for pair in wrong)
        first_lines = [
            Place(profile.path, line, f"{before or OUTSIDE} {tag or OUTSIDE}")
            for (before, tag), line in profile.first_pair.items()
            if (before or OUTSIDE, tag or OUTSIDE) in wrong
        ]
        yield Finding(
            "warning",
            f"tags that break the scheme ({scheme})",
            profile.split,
            count,
            found[SCHEME].first if located else first_lines,
        )


SCHEME = ""
"""Key of the places where tags break the scheme."""


def _locate(path: Path, strange: Iterable[str], wrong: set[Pair]) -> dict[str, Places]:
    """Places of tags, and of pairs of tags that break the scheme (under SCHEME)."""
    found = {SCHEME: Places(), **{tag: Places() for tag in strange}}
    known = KnownLines()
    for block in read_blocks(path):
        known.learn(block, path)
        tags = [known.tags[line] or OUTSIDE for line in block.lines]
        for number, pair in enumerate(pairs(tags)):
            if pair in wrong:  # the last one's second tag stands for the end of the file
                found[SCHEME].add(path, block.first + min(number, len(tags) - 1), " ".join(pair))
            if pair[1] in found and number < len(tags):
                found[pair[1]].add(path, block.first + number, repr(block.lines[number].rstrip("\n"))[:60])
    return found


def _rare(train: Profile, types: Iterable[str]) -> Iterator[Finding]:
    for label in types:
        count = train.entities[label]
        if 0 < count < RARE:  # a type that train lacks is told by its tags
            line = min(n for (_, tag), n in train.first_pair.items() if split_tag(tag)[1] == label)
            what = f"rare type, under {RARE} in train: {label}"
            yield Finding("warning", what, "train", count, [Place(train.path, line)])
