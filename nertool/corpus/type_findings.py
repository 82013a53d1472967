"""Find types that a model cannot learn well: few entities, hardly a sentence without one, several spellings."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from nertool.corpus.check_report import Finding
from nertool.corpus.profile import ANY, Place, Profile
from nertool.tags import OUTSIDE, split_tag

RARE = 50
"""Entities of a type in train below which a model learns little of the type."""
ENOUGH_SENTENCES = 100
"""Sentences of train below which their share with an entity tells nothing."""
NEARLY_EVERY = 0.95
"""Share of the sentences with an entity from which a model has little to learn from sentences without one."""
SEPARATORS = re.compile(r"[-_ ./:|–]+")


def evidence_findings(train: Profile) -> Iterator[Finding]:
    """Tell types with few entities, and types or entities that hardly a sentence is without."""
    yield from _rare_types(train)
    if train.sentences < ENOUGH_SENTENCES:
        return
    if train.tag_counts.keys() <= {OUTSIDE}:
        why = "every tag is O: a model learns to find nothing"
        yield Finding("warning", "no entity in train", "train", 1, detail=why)
    usual_types = [label for label in sorted(train.entities) if _is_everywhere(train, label)]
    for label in usual_types or [ANY]:
        if _is_everywhere(train, label):
            yield _everywhere(train, label)


def _is_everywhere(train: Profile, label: str) -> bool:
    return train.sentences_with[label] >= NEARLY_EVERY * train.sentences


def _everywhere(train: Profile, label: str) -> Finding:
    """Tell that nearly every sentence has an entity of a type, or of any."""
    what = "nearly every sentence of train has an entity" + (f": {label}" if label else "")
    count = train.sentences_with[label]
    why = f"{train.sentences - count:,} of {train.sentences:,} have none: a model may find one in any sentence"
    return Finding("warning", what, "train", count, detail=why)


def spelled_types(profiles: Mapping[str, Profile]) -> Iterator[Finding]:
    """Tell types whose names differ in case or separators alone: every spelling but the most frequent one."""
    entities: Counter[str] = Counter()
    spellings: defaultdict[str, set[str]] = defaultdict(set)
    for profile in profiles.values():
        entities.update(profile.entities)
        for label in profile.entities:
            spellings[SEPARATORS.sub("", label).casefold()].add(label)
    for labels in spellings.values():
        usual, *others = sorted(labels, key=lambda label: (-entities[label], label))
        for label in others:
            yield from _spelled_type(label, usual, profiles)


def _spelled_type(label: str, usual: str, profiles: Mapping[str, Profile]) -> Iterator[Finding]:
    """Give a finding for each split that has the unusual spelling."""
    for profile in profiles.values():
        if profile.entities[label]:
            what = f"type spelled in several ways: {label}, more often {usual}"
            place = Place(profile.path, first_lines(profile)[label])
            yield Finding("warning", what, profile.split, profile.entities[label], [place])


def first_lines(profile: Profile) -> dict[str, int]:
    """Give the 1-based line of the first tag of each type."""
    lines: dict[str, int] = {}
    for (_, tag), line in profile.first_pair.items():
        label = split_tag(tag)[1]
        lines[label] = min(line, lines.get(label, line))
    return lines


def _rare_types(train: Profile) -> Iterator[Finding]:
    """Types with few entities in train; a type that train lacks shows by its tags."""
    lines = first_lines(train)
    for label, count in sorted(train.entities.items()):
        if count < RARE:
            what = f"rare type, under {RARE} in train: {label}"
            yield Finding("warning", what, "train", count, [Place(train.path, lines[label])])
