"""Load the tagger of a model directory: the model, how it cuts text and decodes, its calibration and thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypedDict

from nertool.corpus.running_text import cutter
from nertool.models.calibration import Calibration, read_calibration
from nertool.models.canary import check_canary
from nertool.models.model_directory import check_directory, load_directory
from nertool.models.settings import read_settings
from nertool.models.tagger import NOISE, ROUNDING, Tagger
from nertool.models.thresholds import KeptThresholds, check_least, thresholds_for
from nertool.progress import logger
from nertool.spelling import spelling_of_labels
from nertool.workspace.reader_lock import reading


class TaggingArguments(TypedDict, total=False):
    """Arguments of `load_tagger` that users of several commands choose."""

    fp32_kernels: Literal["auto", "torch"]
    allow_missing_weights: bool
    trust_remote_code: bool
    tokenizer: str
    decoding: Literal["", "viterbi", "argmax"]
    min_score: list[str]
    thresholds: KeptThresholds | None


def load_tagger(
    directory: str | Path,
    device: str = "",
    as_stored: bool = False,
    fp32_kernels: Literal["auto", "torch"] = "auto",
    allow_missing_weights: bool = False,
    trust_remote_code: bool = False,
    tokenizer: str = "",
    decoding: Literal["", "viterbi", "argmax"] = "",
    min_score: Sequence[str] = (),
    thresholds: KeptThresholds | None = None,
) -> Tagger:
    """Load the model of a directory that `train` or `quantize` published, or that run_ner.py wrote.

    Imports neither PyTorch nor transformers for a graph with an `encoding.json`; else keeps transformers quiet by
    environment variables, see `quiet_transformers`.

    Args:
        device: where it runs; by default the first GPU where there is one, else the CPU. INT8 models run on the CPU.
        as_stored: keep the layers and inputs that quantization needs, even where others are faster.
        fp32_kernels: FP32 matrix products on the CPU by the fastest library here, or by PyTorch's own choice.
        allow_missing_weights: take random weights, with a warning, for those that the files lack.
        trust_remote_code: run code that comes with the model; without it, a model that needs such code is refused.
        tokenizer: how running text is cut, as `running_text.cutter` names it; empty: as the model's directory says.
        decoding: the most probable sequence of tags that the scheme allows, or the most probable tag of each word;
            empty: as the model's directory says.
        min_score: least probabilities of entities, such as `0.9` or `PER=0.9`; what is below is O.
        thresholds: in place of `min_score`.

    Raises:
        InvalidOption: there is no such way to cut text, or no such type or probability.
        InvalidData: the thresholds are for another model.
        MissingInput: there is no such directory.
        NertoolError: it holds no model, one that is not for token classification, not all of its weights, one that
            needs code of its own, or an INT8 model that answers otherwise on this processor than where it was made.
    """
    directory = Path(directory)
    check_least("--min-score", min_score)
    with reading(directory.parent):  # a model that is published meanwhile is not mixed with this one
        check_directory(directory)
        settings = read_settings(directory)
        cut = cutter(tokenizer) if tokenizer else settings.cut(directory)
        loaded = load_directory(directory, device, as_stored, fp32_kernels, allow_missing_weights, trust_remote_code)
    labels = loaded.encoding.labels
    canonical = spelling_of_labels(labels).read(labels)
    scheme, learnt_scheme = (settings.allowed_scheme(name, canonical) for name in (decoding, ""))
    if thresholds:
        thresholds.check_decoding(decoding or settings.decoding)
    calibration = _calibration_for(directory, labels, scheme == learnt_scheme)
    tagger = Tagger(loaded.model, loaded.tokenizer, loaded.encoding, cut, scheme, calibration)
    if not loaded.is_stored:
        tagger.probe_padding(ROUNDING if tagger.on_cpu and not loaded.is_int8 else NOISE)
    tagger.thresholds = thresholds_for(min_score, thresholds, labels, tagger.spelling, scheme)
    if loaded.is_int8:
        check_canary(tagger, directory)
    return tagger


def _calibration_for(directory: Path, labels: Sequence[str], as_trained: bool) -> Calibration:
    """The calibration of a model; without its scales if it decodes otherwise than it was trained to.

    Raises:
        InvalidData: as `read_calibration`.
    """
    calibration = read_calibration(directory, labels)
    if not as_trained and (calibration.words or calibration.entities):
        logger.info("%s: its scales of scores are for the decoding that it was trained with, and not used", directory)
        return Calibration(calibration.temperature)
    return calibration
