"""Tag dev and test with a trained model and score the entities."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nertool.columns import read_labels, read_sentences, write_columns
from nertool.encode import quiet_transformers
from nertool.errors import InvalidOption, MissingInput, StaleInput
from nertool.options import AllowStaleOption, ForceOption, QuantizedOption, SplitsOption
from nertool.progress import note, track
from nertool.scoring import Scorer
from nertool.workspace import EVALUATION, LABELS, QUANTIZED, SPLITS, Result, Stage, StageOptions, Workspace

if TYPE_CHECKING:
    from nertool.tagger import Tagger


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `evaluate`."""

    unrecorded = (*StageOptions.unrecorded, "split", "quantized")  # both are in the record's name

    split: SplitsOption = None
    quantized: QuantizedOption = False
    allow_stale: AllowStaleOption = False
    force: ForceOption = False


def run(workspace: Workspace, options: Options) -> Result:
    """Write `{split}_results.json` and `{split}_predictions.txt` (token, gold, predicted) of each split.

    They lie in `evaluation/`, those of the INT8 model in `evaluation/quantized/`.

    Raises:
        MissingInput: no model, or no file of the split.
        StaleInput: the model was made from files that have changed since, or for other labels.
        InvalidOption: no such split.
    """
    splits = _splits(workspace, options.split)
    directory = QUANTIZED if options.quantized else workspace.model_directory()
    model_files = workspace.model_reads(directory, options.allow_stale)
    quiet_transformers()
    tagger: list[Tagger] = []

    def load() -> Tagger:
        """The model, loaded once and only where there is something to do."""
        if not tagger:
            tagger.append(_load(workspace, directory))
        return tagger[0]

    with workspace.locked("evaluate"):
        results = [_evaluate(workspace, options, split, model_files, load) for split in splits]
    return Result(
        f"evaluate:{QUANTIZED}" if options.quantized else "evaluate",
        {split: result.facts for split, result in zip(splits, results, strict=True)},
        all(result.fresh for result in results),
        "; ".join(f"{result.stage} {result.why}" for result in results if result.why),
    )


def _evaluate(
    workspace: Workspace, options: Options, split: str, model_files: list[str], load: Callable[[], Tagger]
) -> Result:
    folder = f"{EVALUATION}/{QUANTIZED}" if options.quantized else EVALUATION
    results, predictions = f"{folder}/{split}_results.json", f"{folder}/{split}_predictions.txt"
    with workspace.open_stage(
        f"evaluate:{QUANTIZED}:{split}" if options.quantized else f"evaluate:{split}",
        options,
        reads=[*model_files, f"{split}.txt"],
        writes=[results, predictions],
        packages=["torch", "transformers", "tokenizers"],
        force=options.force,
    ) as stage:
        if not stage.fresh:
            scorer = _tag_and_score(load(), workspace / f"{split}.txt", stage.file(predictions))
            stage.facts = scorer.results()
            _tell(stage, split, load())
            text = json.dumps({"split": split, **stage.facts}, indent=2, ensure_ascii=False)
            stage.file(results).write_text(text + "\n", encoding="utf-8")
    return stage.result()


def _tag_and_score(tagger: Tagger, path: Path, predictions: Path) -> Scorer:
    """One pass: sentences are read twice, side by side, so that none has to be held."""
    scorer = Scorer()
    tagger.windowed = tagger.without_subwords = 0
    tagged = tagger.tag(sentence.tokens for sentence in read_sentences(path))
    with predictions.open("w", encoding="utf-8", newline="\n") as out:
        pairs = zip(read_sentences(path), tagged, strict=True)
        total = sum(1 for _ in read_sentences(path))
        for sentence, predicted in track(pairs, f"evaluate {path.name}", total, "sentences"):
            scorer.add(sentence.tags, predicted)
            write_columns(out, (sentence.tokens, sentence.tags, predicted))
    return scorer


def _tell(stage: Stage, split: str, tagger: Tagger) -> None:
    """Nothing is cut or left out in silence."""
    stage.facts["windowed"], stage.facts["without_subwords"] = tagger.windowed, tagger.without_subwords
    if tagger.windowed:
        note.warning(
            "%s sentences of %s pass the model's length: tagged in overlapping windows", tagger.windowed, split
        )
    if tagger.without_subwords:
        note.warning("%s tokens of %s have no sub-words: tagged O", tagger.without_subwords, split)


def _load(workspace: Workspace, directory: str) -> Tagger:
    from nertool.tagger import load_tagger

    tagger = load_tagger(workspace / directory)
    if (workspace / LABELS).exists():
        unlike = set(read_labels(workspace / LABELS)) ^ set(tagger.labels)
        if unlike:
            raise StaleInput(
                f"{workspace / directory} and {workspace / LABELS} hold different labels: {', '.join(sorted(unlike))}",
                f"Run: {workspace.last_command('train')}",
            )
    return tagger


def _splits(workspace: Workspace, wanted: list[str] | None) -> list[str]:
    there = workspace.splits(".txt")
    for split in wanted or []:
        if split not in SPLITS:
            raise InvalidOption(f"--split {split}: no such split", f"Splits: {', '.join(SPLITS)}.")
        workspace.require(f"{split}.txt", "preprocess")
    splits = wanted or [split for split in there if split != "train"]
    if not splits:
        raise MissingInput(f"{workspace / 'dev.txt'} is missing", f"Run: {workspace.command('preprocess')}")
    return list(dict.fromkeys(splits))
