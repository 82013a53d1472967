"""The canary of an INT8 model: what it answered where it was made, so that a processor, and its files, can be tested.

Processors multiply bytes in different ways, and some of them saturate where others do not: a model may compute noise on
another machine, without an error. The sentences are random sub-words, so that no text is in a model's directory.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

import numpy as np

from nertool.arrays import Array, log_softmax
from nertool.errors import InvalidData, NertoolError, command
from nertool.models import cpu
from nertool.models.settings import anew, read_table
from nertool.progress import logger
from nertool.workspace.names import TABLE

if TYPE_CHECKING:
    from nertool.models.encode import Encoder


SENTENCES = 4
SUBWORDS = 12
"""Of a sentence, without special tokens."""
ROUNDING = 0.005
"""Deviation that rounding alone may bring: .003 was measured between kernels that add up in other orders, .017 where
sums saturated."""
SHARE_OF_LOSS = 0.5
"""Deviation that is allowed, as a share of the one between the INT8 and the FP32 model."""


class Canary(TypedDict):
    """Part of `quantization.json`."""

    ids: list[list[int]]
    """Sub-word ids of each sentence, with special tokens."""
    log_probabilities: list[list[list[float]]]
    """Of each label, for each sub-word of each sentence."""
    from_fp32: float
    """Deviation from the FP32 model: mean distance of the probabilities of a sub-word, from 0 to 1."""


class Asked(Protocol):
    """What is asked: the parts of a `Tagger` that the canary needs."""

    tokenizer: Any
    labels: list[str]
    encoder: Encoder
    max_length: int

    @property
    def vocabulary(self) -> int:
        """How many sub-words both the tokenizer and the model have."""

    def logits(self, ids: Sequence[Sequence[int]]) -> Array:
        """Logits of windows of sub-words; shape (windows, subwords, labels)."""


def make_canary(tagger: Asked, fp32: Asked) -> Canary:
    """Ask a model that was just made, and the FP32 model that it was made of."""
    ids = _sentences(fp32)
    answers = np.round(_answers(tagger, ids), 3).tolist()
    canary: Canary = {"ids": ids, "log_probabilities": answers, "from_fp32": 0.0}
    return {**canary, "from_fp32": deviation(fp32, canary)}


def check_canary(tagger: Asked, directory: Path) -> None:
    """Check that an INT8 model answers as where it was made: a processor may compute otherwise, or a file be damaged.

    Raises:
        NertoolError: its weights have 8 bits, and sums of their products saturate here; or it answers otherwise.
        InvalidData: `quantization.json` does not hold what `quantize` writes.
    """
    table = read_table(directory)
    made_on = table.get("cpu", {})
    is_elsewhere = made_on.get("flags") != cpu.describe()["flags"]
    again = command(directory.parent, "quantize", "--force")
    place = made_on.get("name") or "the processor that made it"
    needs_vnni = table.get("approach") != "none" and table.get("reduced_range") is False
    if is_elsewhere and needs_vnni and not cpu.has_vnni():
        raise NertoolError(
            f"{directory} has weights of 8 bits, whose products saturate on this processor, which has no VNNI",
            f"Make it anew here ({again}), or with --portable where it was made.",
        )
    if "canary" not in table:
        if is_elsewhere:
            logger.warning(
                "%s holds no canary, so nobody can tell whether it answers here as on %s; make it anew: %s",
                *(directory, place, again),
            )
        return
    canary = canary_of(table, tagger, directory / TABLE)
    found, allowed = deviation(tagger, canary), allowed_deviation(canary)
    if not found <= allowed:
        when = f"here than on {place}, where it was made" if is_elsewhere else "than when it was made"
        raise NertoolError(
            f"{directory} answers otherwise {when}: probabilities of tags are {found:.3f} apart, and rounding explains "
            f"{allowed:.3f}",
            f"Make it anew on this machine: {again}",
        )


def canary_of(table: dict[str, Any], tagger: Asked, path: Path) -> Canary:
    """The canary of a table, which somebody may have edited.

    Raises:
        InvalidData: it does not hold what `quantize` writes.
    """
    canary = table["canary"]
    try:
        ids, expected = np.array(canary["ids"]), np.array(canary["log_probabilities"], float)
        from_fp32 = float(canary["from_fp32"])
        fits = ids.dtype.kind == "i" and ids.min() >= 0 and ids.max() < len(tagger.tokenizer)
        fits = fits and len(ids) <= SENTENCES and ids.shape[1] <= tagger.max_length and 0 <= from_fp32 <= 1
        fits = fits and expected.shape == (*ids.shape, len(tagger.labels)) and bool((expected <= 0).all())
    except (IndexError, KeyError, OverflowError, TypeError, ValueError):
        fits = False
    if not fits:
        raise InvalidData(f"{path}: its canary is not what quantize writes", anew(path.parent))
    return {"ids": ids.tolist(), "log_probabilities": expected.tolist(), "from_fp32": from_fp32}


def allowed_deviation(canary: Canary) -> float:
    """The greatest deviation of a model that answers as where it was made."""
    return max(ROUNDING, SHARE_OF_LOSS * canary["from_fp32"])


def deviation(tagger: Asked, canary: Canary) -> float:
    """Mean distance of the probabilities of a sub-word from those that the canary holds; NaN if one is no number.

    The distance is half the sum of the differences of the labels: 0 to 1.
    """
    differences = np.exp(_answers(tagger, canary["ids"])) - np.exp(canary["log_probabilities"])
    return float(np.abs(differences).sum(-1).mean() / 2)


def _sentences(tagger: Asked) -> list[list[int]]:
    """Random sub-words between the special tokens of the tokenizer; the same for each model with its vocabulary."""
    random = np.random.default_rng(0)
    encoder = tagger.encoder
    length = min(SUBWORDS, encoder.budget)
    sentences = []
    for _ in range(SENTENCES):
        sentences.append([*encoder.prefix, *random.integers(tagger.vocabulary, size=length).tolist(), *encoder.suffix])
    return sentences


def _answers(tagger: Asked, ids: list[list[int]]) -> Array:
    """Log-probabilities of the labels; shape (sentences, subwords, labels)."""
    return log_softmax(tagger.logits(ids))
