"""What `quantize` tried, as a table: FP32 and every INT8 model, with scores, size and speed."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from nertool.cli.cells import Facts, megabytes, metric_of, signed, table_of, with_caption


def quantization_tables(facts: Facts) -> list[Table]:
    """Show FP32 and every trial: scores, size, and what each costs to use."""
    rows = [_cost("FP32", facts["fp32"], facts)]
    rows += [_cost(_trial(row), row, facts) for row in facts["trials"]]
    kept = facts["int8"]
    change = {"size": f"{facts['size_ratio']:.2f}x", "tokens/s": f"{facts['speed_ratio']:.2f}x"}
    threads, met = f"{facts['threads']} thread{'s' * (facts['threads'] > 1)}", "met" if facts["met"] else "NOT met"
    lines = [f"{threads}; {_tolerance(facts)} {met}; * is kept"]
    for split, row in kept["splits"].items():
        before = facts["fp32"]["splits"][split]["f1"]
        change[f"{split} {metric_of(facts)}"] = f"{(row['f1'] - before) / before:+.2%}" if before else ""
        low, high = map(signed, row["lost_interval"])
        lost = f"lost {signed(row['lost'])} ({low} to {high}), p {row['p']:.4f}"
        lines.append(f"{split}: {lost}; {row['equal']:.2%} of the tokens tagged as in FP32")
    if "lost_at_most" in kept:  # not in files of nertool 0.2.0
        lines.append(f"dev: lost {signed(kept['lost_at_most'])} at most, with 95 %, over all trials; {_batches(kept)}")
    table = table_of(f"{facts['approach']} quantization, {facts['backend']}", [*rows, {"": "change", **change}])
    return [with_caption(table, "\n".join(lines))]


def _batches(trial: Facts) -> str:
    alone = "do not depend" if trial["alone_as_together"] else "may depend"
    return f"tags {alone} on the other sentences of a batch"


def _tolerance(facts: Facts) -> str:
    kinds = {"relative": "relative loss", "absolute": f"in {metric_of(facts)}", "bound": "loss, with 95 %,"}
    return f"tolerance of {_allowed(facts)} {kinds[facts['criterion']]}"


def _allowed(facts: Facts) -> str:
    tolerance = facts["tolerance"]
    return f"{tolerance:g}" if facts["criterion"] == "absolute" else f"{100 * tolerance:g}%"


def _trial(row: Facts) -> str:
    left = f", {len(row['left_in_fp32'])} in FP32" if row["left_in_fp32"] else ""
    return f"{row['approach']}{left}{' *' if row['kept'] else ''}"


def _cost(name: str, row: Facts, facts: Facts) -> dict[str, Any]:
    """A model's scores, size, and what it costs to use."""
    latency = row["latency_ms"]
    single = latency.get("single_sentence") or latency["batch 1"]  # so named by nertool 0.2.0
    return {
        "": name,
        **{f"{split} {metric_of(facts)}": found["f1"] for split, found in row["splits"].items()},
        "size": megabytes(row["bytes"]),
        "tokens/s": f"{row['words_per_second']:,}",
        "ms a sentence": f"{single['p50']:.1f} (p95 {single['p95']:.1f})",
        "load": f"{row['load_seconds']:.1f} s",
        "peak memory": f"{row['peak_mib']:,.0f} MiB",
    }


def quantization_figures(facts: Facts) -> str:
    """Say in one line what the kept INT8 model lost and won."""
    size = f"{megabytes(facts['fp32']['bytes'])} -> {megabytes(facts['int8']['bytes'])}"
    met = "within" if facts["met"] else "NOT within"
    change = f"dev {metric_of(facts)} {facts['fp32']['f1']:.4f} -> {facts['int8']['f1']:.4f}"
    return f"{change}, {size}, {met} {_allowed(facts)}"
