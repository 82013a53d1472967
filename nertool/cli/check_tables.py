"""What `check` found, as tables: figures, entities of each type, findings; and gold tags that are probably wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.table import Table

from nertool.cli.cells import cell, named_rows, with_caption
from nertool.corpus.check_report import Finding, Report
from nertool.progress import amount

if TYPE_CHECKING:
    from nertool.label_check import LabelReport

SEVERITY_STYLES = {"error": "red", "warning": "yellow", "info": "dim"}
SHOWN_PLACES = 3
"""Places of a finding that a table shows; --json has more."""
WORDS_BESIDE = 8
"""Words of a sentence that a table shows on each side of those in question."""


def report_tables(report: Report) -> list[Table]:
    """Show what a check found: figures of the splits, entities of each type, findings."""
    tables = [with_caption(named_rows("", report.splits), f"tags: {report.scheme}")]
    if report.types:
        tables.append(named_rows("type", report.types))
    if report.findings:
        tables.append(_findings(report.findings))
    return tables


def _findings(findings: Iterable[Finding]) -> Table:
    table = Table("severity", "split", "count", "finding", "where", title="findings", title_justify="left")
    for finding in findings:
        cells = (finding.severity, finding.split, f"{finding.count:,}", finding.what, _where(finding))
        table.add_row(*map(cell, cells), style=SEVERITY_STYLES[finding.severity])
    return table


def _where(finding: Finding) -> str:
    """Name the first places of a finding, a line each."""
    if finding.detail:
        return finding.detail
    lines = list(map(str, finding.places[:SHOWN_PLACES]))
    more = finding.count - len(lines)
    if lines and more > 0:
        lines.append(f"and {more:,} more")
    return "\n".join(lines)


def label_errors_table(report: LabelReport) -> Table:
    """Show the places where gold is perhaps wrong, the likeliest first."""
    table = Table("score", "where", "gold", "predicted", "sentence", title="labels", title_justify="left")
    for one in report.suggestions:
        context = " ".join(one.words[max(0, one.start - WORDS_BESIDE) : one.end + WORDS_BESIDE])
        cells = (f"{one.score:.3f}", f"{one.file}:{one.line}", one.shown(one.gold), one.shown(one.predicted), context)
        table.add_row(*map(cell, cells))
    more = f"{len(report.suggestions):,} of {report.places:,} places where a model differs"
    whole = f"{amount(report.entities, 'entities')} in {amount(report.sentences, 'sentences')}"
    return with_caption(table, f"{more}; {whole}")
