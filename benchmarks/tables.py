"""Write the tables of docs/benchmarks.md out of the result files, one machine after the other.

    python benchmarks/tables.py [--print]

Reads benchmarks/results/*.json, which the benchmarks write with `--json`. The tables stand between two comments of the
page, `<!-- results -->` and `<!-- end of results -->`; where the page has none, they are added at its end.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def main() -> None:
    """Replace what stands between the two comments."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--print", action="store_true", help="print the tables, and leave the page as it is")
    options = parser.parse_args()
    tables = make_tables({path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))})
    if options.print:
        print(tables)
        return
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2] or "\n"
    PAGE.write_text(f"{before.rstrip()}\n\n{BEGIN}\n\n{tables}\n{END}{after}", encoding="utf-8")


def make_tables(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown: a heading a machine, and below it each benchmark with its command, date and table."""
    machines: dict[str, list[str]] = {}
    for name, result in results.items():
        lines = machines.setdefault(machine_name(result["machine"]), [])
        versions = ", ".join(f"{package} {number}" for package, number in result["versions"].items())
        lines += [f"### {name}", "", f"`{result['command']}`, {result['date']} ({versions})", ""]
        lines += [*table(result["figures"]), ""]
    parts = [f"## {machine}\n\n" + "\n".join(lines) for machine, lines in machines.items()]
    return "\n".join(parts)


def machine_name(machine: Mapping[str, Any]) -> str:
    """`2 cores of an Example CPU (avx2, avx512f)`."""
    instructions = ", ".join(machine["instructions"]) or "no vector instructions named"
    return f"{machine['cores']} cores, {machine['processor']} ({instructions})"


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A Markdown table; its columns are the keys of all rows, in order of appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = ["| " + " | ".join(column.replace("_", " ") for column in columns) + " |", "|---" * len(columns) + "|"]
    for row in rows:
        lines.append("| " + " | ".join(as_text(row.get(column, "")) for column in columns) + " |")
    return lines


def as_text(value: Any) -> str:
    """A figure with as many digits as tell something."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) >= 1 else f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


if __name__ == "__main__":
    main()
