"""Tag dev and test with a trained model, score the entities and show what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertool.corpus.column_files import read_labels, read_sentences, write_columns
from nertool.errors import StaleInput
from nertool.models.names import quiet_transformers
from nertool.progress import amount, logger, track
from nertool.scoring import task_scores
from nertool.scoring.comparison import predictions_of
from nertool.sources.recipes import recipe_of
from nertool.stages.evaluate_options import Options
from nertool.stages.evaluation_comparison import compare, find_others
from nertool.stages.evaluation_files import ResultFiles, result_files
from nertool.stages.evaluation_page import REPORT, check_shown_files, write_page
from nertool.stages.evaluation_thresholds import find_goal, keep_thresholds
from nertool.stages.label_spelling import label_spelling
from nertool.stages.options import check_split
from nertool.workspace.digests import write_json
from nertool.workspace.model_files import ModelFiles
from nertool.workspace.names import EVALUATION, LABELS, QUANTIZED
from nertool.workspace.stage import Result, Stage, StageRun
from nertool.workspace.workspace import Workspace

if TYPE_CHECKING:
    from nertool.models.tagger import Tagger
    from nertool.models.tagging import TagCounts
    from nertool.scoring.prediction_files import Tagged
    from nertool.scoring.probabilities import SplitProbabilities
    from nertool.scoring.scorer import Scorer

__all__ = ["Options", "run"]

SHOWN_TAGS = 5
"""Tags that a warning names."""


def run(workspace: Workspace, options: Options) -> Result:
    """Score each split, and write the results into `evaluation/`, those of INT8 into `evaluation/quantized/`.

    The files are `{split}_results.json`, `{split}_predictions.txt` (token, gold, predicted), `{split}_errors.jsonl` (an
    error a line), `{split}_entities.jsonl` (a sentence a line: gold and predicted entities, with scores), and
    `evaluation/report.html` about all results in the workspace. With `precision` or `recall`, the thresholds that reach
    it go into `thresholds.json` beside the model. With `columns`, only that file is scored.

    Raises:
        MissingInput: no model, or no file of the split.
        StaleInput: the model was made from files that have changed since, or for other labels.
        InvalidOption: no such split, nothing to compare with, a precision or recall that no threshold reaches.
        InvalidData: files to be compared hold other sentences (names file and line).
    """
    if options.columns is not None:
        return _score_columns(options)
    quiet_transformers()
    with workspace.locked("evaluate", creates=False):
        splits, models = _splits(workspace, options.split), _models(workspace, options)
        goals = [find_goal(workspace, options, model, splits) for model in models]
        others = find_others(workspace, options, splits)
        check_shown_files(workspace, [model.name for model, goal in zip(models, goals, strict=True) if goal])
        results: dict[str, Result] = {}
        for model, goal in zip(models, goals, strict=True):
            prefix = f"{QUANTIZED} " if options.both and model.name == QUANTIZED else ""
            for split, result in _evaluate(workspace, options, model, splits).items():
                results[prefix + split] = result
            if goal:
                results[f"{prefix}thresholds"] = keep_thresholds(workspace, options, model, splits, goal)
        if others:
            results["comparison"] = compare(workspace, options, models[0].name, others)
        report = write_page(workspace, options.force)
    logger.info("report: %s", workspace / EVALUATION / REPORT)
    return Result(
        f"evaluate:{QUANTIZED}" if models[0].name == QUANTIZED else "evaluate",
        {name: result.facts for name, result in results.items()},
        all(result.fresh for result in (*results.values(), report)),
        "; ".join(f"{result.stage} {result.why}" for result in results.values() if result.why),
    )


# -- a model ---------------------------------------------------------------------------------------


def _evaluate(workspace: Workspace, options: Options, model: ModelFiles, splits: Sequence[str]) -> dict[str, Result]:
    @cache
    def load() -> Tagger:
        """Load the model once, and only where there is something to do."""
        return _load(workspace, model, options)

    return {split: _evaluate_split(workspace, options, model, split, load) for split in splits}


def _evaluate_split(
    workspace: Workspace,
    options: Options,
    model: ModelFiles,
    split: str,
    load: Callable[[], Tagger],
) -> Result:
    files, train = result_files(model.name, split), workspace.split_file("train")

    def work(stage: Stage) -> None:
        from nertool.models.tagging import TagCounts
        from nertool.scoring.probabilities import SplitProbabilities
        from nertool.scoring.seqeval_check import compare_with_seqeval
        from nertool.scoring.tagged_results import score_and_list_errors

        counts = TagCounts()
        probabilities = SplitProbabilities(load())
        written = stage.file(files.predictions), stage.file(files.entities)
        tagged = _tag(load(), workspace / f"{split}.txt", written, counts, probabilities)
        spelling = label_spelling(workspace, load().labels)
        scorer, analysis = score_and_list_errors(tagged, spelling, options.strict, train, stage.file(files.errors))
        stage.facts = {**scorer.results(), **analysis.results(), "seqeval": compare_with_seqeval(scorer)}
        if analysis.shortened:
            logger.warning("%s: %s", split, amount(analysis.shortened, "errors with a part of a long sentence alone"))
        stage.facts |= probabilities.results()
        stage.facts |= _task_scores(workspace, options, split, scorer, stage.facts)
        _record_and_warn(stage, split, counts)
        write_json(stage.file(files.results), {"split": split, **stage.facts})

    return workspace.run(_plan_split(workspace, options, model, split, files), work)


def _plan_split(workspace: Workspace, options: Options, model: ModelFiles, split: str, files: ResultFiles) -> StageRun:
    """What the evaluation of a model on a split reads and writes."""
    return StageRun(
        f"evaluate:{QUANTIZED}:{split}" if model.name == QUANTIZED else f"evaluate:{split}",
        options,
        reads=[*model.files, f"{split}.txt", *(["train.txt"] if workspace.split_file("train") else [])],
        writes=files,
        sources={"inner": predictions_of(workspace, options.inner, split, "--inner")} if options.inner else {},
        packages=["torch", "transformers", "tokenizers"],
        force=options.force,
    )


def _tag(
    tagger: Tagger, path: Path, files: tuple[Path, Path], counts: TagCounts, probabilities: SplitProbabilities
) -> Iterator[Tagged]:
    """Tag a file, write its predictions and entities, and give each sentence with both its tags.

    The file is read twice, side by side, so that no more than a block of sentences is in memory.

    Args:
        files: of the predictions, and of the entities.
        probabilities: gets each sentence.
    """
    from nertool.scoring.operating_points import entities_row
    from nertool.scoring.prediction_files import Tagged

    tagged = tagger.tag_scored((sentence.tokens for sentence in read_sentences(path)), counts)
    with ExitStack() as stack:
        out, entities = (stack.enter_context(file.open("w", encoding="utf-8", newline="\n")) for file in files)
        pairs = zip(read_sentences(path), tagged, strict=True)
        total = _count_and_tell(path, tagger.labels)
        for number, (sentence, tagging) in enumerate(track(pairs, f"evaluate {path.name}", total, "sentences"), 1):
            write_columns(out, (sentence.tokens, sentence.tags, tagging.tags))
            entities.write(entities_row(number, tagging.spelling.entities(sentence.tags), tagging.scored_spans()))
            probabilities.add(sentence.tags, tagging)
            yield Tagged(sentence.tokens, sentence.tags, tagging.tags, sentence.line)


def _count_and_tell(path: Path, labels: Collection[str]) -> int:
    """Count the sentences of a file, and tell its tags that the model lacks, as with --allow-stale."""
    known = {*labels}
    sentences = 0
    lacking: Counter[str] = Counter()
    for sentence in read_sentences(path):
        sentences += 1
        if not known.issuperset(sentence.tags):
            lacking.update(tag for tag in sentence.tags if tag not in known)
    if lacking:
        shown = ", ".join(sorted(lacking)[:SHOWN_TAGS]) + ", ..." * (len(lacking) > SHOWN_TAGS)
        what = amount(lacking.total(), "tokens with tags that the model lacks, so it cannot predict them")
        logger.warning("%s: %s: %s", path.name, what, shown)
    return sentences


def _task_scores(
    workspace: Workspace, options: Options, split: str, scorer: Scorer, results: dict[str, Any]
) -> dict[str, Any]:
    """Give the score of the data set's own task, and the published scores, where there are any."""
    recipe = recipe_of(workspace.facts("download"))
    if options.inner:
        inner = predictions_of(workspace, options.inner, split, "--inner")
        task_score = task_scores.both_layers(workspace / f"{split}.txt", scorer, inner)
    else:
        task_score = task_scores.task_score(recipe, results) if recipe else {}
    published = task_scores.published(recipe, split) if recipe else {}
    scores = {}
    if task_score:
        scores["task_score"] = task_score
    if published:
        scores["published"] = published
    return scores


def _record_and_warn(stage: Stage, split: str, counts: TagCounts) -> None:
    """Record how sentences were tagged, and warn of what a user might not expect."""
    from nertool.scoring.tagged_results import warn_of_odd_results

    warn_of_odd_results(split, stage.facts)
    stage.facts |= {"windowed": counts.windowed, "without_subwords": counts.without_subwords}
    if counts.windowed:
        sentences = amount(counts.windowed, f"sentences of {split}")
        logger.warning("%s over the model's length: tagged in overlapping windows", sentences)
    if counts.without_subwords:
        tokens = amount(counts.without_subwords, f"tokens of {split}")
        logger.warning("%s without sub-words: tagged O", tokens)


def _load(workspace: Workspace, model: ModelFiles, options: Options) -> Tagger:
    from nertool.models.load_tagger import load_tagger

    tagger = load_tagger(
        model.path,
        fp32_kernels=options.fp32_kernels,
        decoding=options.decoding,
        allow_missing_weights=options.allow_missing_weights,
        trust_remote_code=options.trust_remote_code,
    )
    if (workspace / LABELS).exists():
        unlike = set(read_labels(workspace / LABELS)) ^ set(tagger.labels)
        if unlike:
            raise StaleInput(
                f"{model.path} and {workspace / LABELS} hold different labels: {', '.join(sorted(unlike))}",
                f"Run: {workspace.last_command('train')}",
            )
    return tagger


def _models(workspace: Workspace, options: Options) -> list[ModelFiles]:
    """Find the models to evaluate: FP32 first."""
    allow_stale = options.allow_stale
    if not options.both:
        return [workspace.model(options.quantized, allow_stale)]
    models = [workspace.model(False, allow_stale)]
    if (workspace / QUANTIZED / "config.json").exists():
        models.append(workspace.model(True, allow_stale))
    return models


def _splits(workspace: Workspace, wanted: list[str] | None) -> list[str]:
    there = workspace.splits(".txt")
    for split in wanted or []:
        check_split(split)
        workspace.require_split(split)
    splits = wanted or [split for split in there if split != "train"]
    if not splits:
        workspace.require_split("dev")
    return list(dict.fromkeys(splits))


# -- files of other tools --------------------------------------------------------------------------


def _score_columns(options: Options) -> Result:
    """`evaluate --columns FILE`, the old spelling of `score FILE`."""
    from nertool.scoring.score_files import score_files

    assert options.columns is not None
    results = score_files(
        options.columns,
        predicted=options.predicted,
        compare=options.compare,
        report=options.report,
        scheme=options.strict,
    )
    return Result("score", results)
