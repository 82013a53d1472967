"""What a check found: findings, figures of the splits, entities of each type."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import cast

from nertool.corpus.facts import CheckFacts, FindingCounts, FindingFacts, Severity, SplitFigures
from nertool.corpus.profile import Place

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True)
class Finding:
    """One kind of oddity in one split.

    Attributes:
        severity: `error` stops a later stage or tells that data cannot be right, `warning` costs accuracy or trust,
            `info` is good to know.
        what: what is odd.
        split: the split.
        count: how often it occurs.
        places: the first places.
        detail: explains a finding, or says what mends it; a table shows it in place of the places.
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
