"""The README of an export: what the model is, what it lost, how to run it."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import Any

from nertool.counts import METRICS
from nertool.exporting.settings import types_of
from nertool.report.markdown import code
from nertool.workspace.names import versions

FORMS = {
    "none": "ONNX in FP32",
    "dynamic": "ONNX in INT8, ranges found as it runs",
    "static": "ONNX in INT8, fixed ranges",
}
DECODED = {
    "argmax": "the most probable label of each word",
    "viterbi": "the most probable sequence that the scheme of the tags allows",
}
NO_TEXT = "The texts that the model has seen were cut into tokens by `{}`. Cut yours so: `--text` is refused."
TEXT = """`--text` cuts running text into tokens first, as nertool does, a sentence a line. It needs one more
package: `pip install {}`, or on another Python `pip install '{}'`."""
LEAST = {"onnxruntime": ">=1.20,<2", "numpy": ">=1.24", "tokenizers": ">=0.20,<1", "regex": ">=2024.5"}
"""Versions that the script takes, as nertool does."""
THRESHOLDS = """`--thresholds` leaves out entities below these least scores, which were found on dev: {}."""
ALONE = """- INT8 finds its ranges in each batch, so that the tags of a sentence may depend on the sentences beside it.
  `tag.py` makes the batches that nertool makes: a whole file gets the same tags. A sentence alone may get others.
"""
BITS = """- Its weights have 8 bits, whose products saturate on x86 processors without VNNI. Run it on one with VNNI.
"""


@dataclass(frozen=True)
class Described:
    """What a README tells.

    Attributes:
        settings: contents of `settings.json`.
        table: contents of `quantization.json`.
        base: name of the model that was fine-tuned; empty where it is not known.
        recipe: of the data; empty for somebody's own files.
        decoding: `viterbi` or `argmax`.
        size: bytes of the graph.
    """

    settings: Mapping[str, Any]
    table: Mapping[str, Any]
    base: str
    recipe: str
    decoding: str
    size: int


def readme(model: Described) -> str:
    """The whole README."""
    settings, kept = model.settings, model.table["int8"]
    installed = versions(["onnxruntime", "numpy", "tokenizers", "regex"])
    pinned = {name: f"{name}=={version}" for name, version in installed.items()}
    least = {name: f"{name}{versions}" for name, versions in LEAST.items()}
    kinds = types_of(settings)
    cut, thresholds = settings["tokenizer"], settings["thresholds"]
    return Template(files(__package__).joinpath("export_readme.md").read_text(encoding="utf-8")).substitute(
        title=f"Entities: {', '.join(map(_plain, kinds))}" if kinds else "Tags of words",
        version=installed["nertool"],
        base=code(model.base) if model.base else "a model that is not recorded",
        data=f"recipe {code(model.recipe)}" if model.recipe else "the maker's own files",
        form=FORMS.get(kept["approach"], "ONNX"),
        size=f"{model.size / 1e6:.1f} MB",
        tags=DECODED[model.decoding],
        window=settings["max_length"],
        labels=", ".join(map(code, settings["labels"])),
        scores=_scores(model.table),
        packages=f"{pinned['onnxruntime']} {pinned['numpy']}",
        tokenizers=pinned["tokenizers"],
        python=".".join(platform.python_version_tuple()[:2]),
        least=f"'{least['onnxruntime']}' '{least['numpy']}'",
        least_tokenizers=f"'{least['tokenizers']}'",
        text=NO_TEXT.format(cut) if cut.startswith("spacy:") else TEXT.format(pinned["regex"], least["regex"]),
        thresholds=f"\n{THRESHOLDS.format(_least(thresholds))}" if thresholds else "",
        cpu=code(model.table["cpu"].get("name") or model.table["cpu"].get("machine")),
        alone="" if kept.get("alone_as_together", True) else ALONE,
        bits=BITS if model.table.get("reduced_range") is False and kept["approach"] != "none" else "",
    )


def _least(least: Mapping[str, float]) -> str:
    return ", ".join(f"{code(kind) if kind else 'other types'} {score:.4f}" for kind, score in least.items())


def _scores(table: Mapping[str, Any]) -> str:
    """Scores of the FP32 model and of this one on each split, and what was lost."""
    metric, fp32, kept = METRICS[table["metric"]], table["fp32"], table["int8"]
    lines = [
        f"| Split | {metric} in FP32 | {metric} of this model | Lost | Tokens tagged as in FP32 |",
        "|---|---|---|---|---|",
    ]
    for split, own in kept["splits"].items():
        lost = f"{own['lost']:+.4f} ({_bounds(own['lost_interval'])}), p = {own['p']:.3f}"
        cells = (split, _interval(fp32["splits"][split]), _interval(own), lost, f"{own['equal']:.2%}")
        lines.append(f"| {' | '.join(cells)} |")
    tolerance, share = f"{table['tolerance']:g}", f"{table['tolerance']:.1%} of {metric}"
    kinds = {"relative": share, "absolute": tolerance, "bound": f"{share} by its upper 95 % bound"}
    allowed = kinds.get(table["criterion"], tolerance)
    verdict = "is within that" if table["met"] else "LOSES MORE than that"
    lines += ["", f"In brackets: 95 % intervals. A loss of {allowed} on dev was allowed, and this model {verdict}."]
    if not table["met"]:
        lines.append("It is the best one that was found all the same.")
    for split, own in kept["splits"].items():
        if own["lost_interval"][0] > 0:
            lines.append(f"The loss on {split} is more than chance explains.")
    lines.append("Models were chosen on dev; test had no part in that. Other texts may score lower.")
    return "\n".join(lines)


def _interval(figures: Mapping[str, Any]) -> str:
    return f"{figures['f1']:.4f} ({_bounds(figures['interval'])})"


def _bounds(interval: Iterable[float]) -> str:
    low, high = interval
    return f"{low:.4f} to {high:.4f}"


def _plain(value: Any) -> str:
    """Text that is no markup."""
    return re.sub(r"[^\w .-]", " ", str(value))
