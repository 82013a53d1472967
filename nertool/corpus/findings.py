"""Report what is odd in each split, with file and line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from nertool.corpus.check_report import Finding, Report
from nertool.corpus.facts import Severity, SplitFigures
from nertool.corpus.line_cache import UNREADABLE
from nertool.corpus.profile import Place, Places, Profile
from nertool.corpus.tag_findings import schemes_beside, tag_findings
from nertool.corpus.type_findings import evidence_findings, spelled_types
from nertool.spelling import CANONICAL, Spelling
from nertool.tags import Pair, recognise

NO_DEV = "no dev split"


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
    other_schemes = schemes_beside(train, profiles)
    scheme = recognise(train.pairs if train and other_schemes else pair_counts)
    report = Report({}, scheme, {label: {} for label in sorted(types)})
    for split, profile in profiles.items():
        report.splits[split] = _figures(profile, train)
        for label, entities in report.types.items():
            entities[split] = profile.entities[label]
        report.findings += _spelling_finding(profile, spelling, report.scheme)
        report.findings += _line_findings(profile)
        report.findings += _sentence_findings(profile)
        own_scheme = other_schemes.get(split, scheme)
        located_in = spelling if located else None
        report.findings += tag_findings(profile, train or profile, (scheme, own_scheme), located_in)
    report.findings += spelled_types(profiles)
    if train:
        report.findings += evidence_findings(train)
        report.findings += _missing_dev(profiles)
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


def _missing_dev(profiles: Mapping[str, Profile]) -> Iterator[Finding]:
    """Tell that nothing chooses between epochs or between INT8 models."""
    if "dev" not in profiles:
        why = "train cannot choose the best epoch (--keep last), quantize has nothing to compare models on"
        yield Finding("warning", NO_DEV, "train", 1, detail=why)
