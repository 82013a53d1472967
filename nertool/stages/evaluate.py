"""Tag dev and test with a trained model, score the entities and show what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nertool.corpus.column_files import read_labels, read_sentences, write_columns
from nertool.errors import InvalidData, InvalidOption, MissingInput, StaleInput, translate_odd_content
from nertool.models.names import quiet_transformers
from nertool.models.settings import read_settings
from nertool.models.thresholds import check_least
from nertool.progress import logger, track
from nertool.scoring import task_scores
from nertool.scoring.comparison import OtherModel, difference, find_other, predictions_of
from nertool.sources.recipes import RECIPES
from nertool.spelling import Spelling, spelling_of_labels
from nertool.stages.evaluation_files import ResultFiles, result_files
from nertool.stages.evaluation_page import COMPARISON, REPORT, write_page
from nertool.stages.options import (
    AllowMissingWeightsOption,
    AllowStaleOption,
    DecodingOption,
    ForceOption,
    FP32KernelsOption,
    QuantizedOption,
    SplitsOption,
    StrictOption,
    TrustRemoteCodeOption,
    check_split,
)
from nertool.workspace.digests import Digest, digest, write_json
from nertool.workspace.model_files import ModelFiles
from nertool.workspace.names import EVALUATION, LABELS, QUANTIZED, THRESHOLDS
from nertool.workspace.option_values import refuse_unused
from nertool.workspace.stage import Result, Stage, StageRun
from nertool.workspace.stage_options import StageOptions
from nertool.workspace.workspace import Workspace

if TYPE_CHECKING:
    from nertool.models.tagger import Tagger
    from nertool.models.tagging import TagCounts
    from nertool.scoring.operating_points import Goal
    from nertool.scoring.prediction_files import Tagged
    from nertool.scoring.probabilities import SplitProbabilities
    from nertool.scoring.scorer import Scorer

SHOWN_TAGS = 5
"""Tags that a warning names."""


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `evaluate`."""

    unrecorded = (
        *StageOptions.unrecorded,
        *("split", "quantized", "both"),  # they are in the records' names
        *("columns", "predicted", "report", "compare", "inner"),  # what they name is recorded by digest
        *("precision", "recall"),  # they have a record of their own
    )
    alone = (
        *("split", "quantized", "both", "columns", "predicted", "report", "compare", "allow_stale"),
        *("precision", "recall"),  # `train` has another --precision
    )

    split: SplitsOption = None
    quantized: QuantizedOption = False
    both: Annotated[
        bool, typer.Option("--both", help="Evaluate the FP32 model, and the INT8 model where there is one.")
    ] = False
    strict: StrictOption = None
    compare: Annotated[
        str | None,
        typer.Option("--compare", help="Workspace, model directory or predictions file to compare the model with."),
    ] = None
    inner: Annotated[
        str | None,
        typer.Option("--inner", help="Workspace or predictions file of GermEval's inner layer, for its metric 1."),
    ] = None
    precision: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            help="Find the least score of entities that reaches this precision on dev, such as 0.95, or of a type, "
            "such as PER=0.95; may be repeated. predict --thresholds own applies it.",
            show_default=False,
        ),
    ] = None
    recall: Annotated[
        list[str] | None,
        typer.Option(
            "--recall",
            help="Find the greatest score of entities that reaches this recall on dev, such as 0.9, or of a type, "
            "such as PER=0.9; may be repeated.",
            show_default=False,
        ),
    ] = None
    columns: Annotated[
        str | None, typer.Option("--columns", hidden=True, help="Old spelling of: nertool score FILE.")
    ] = None
    predicted: Annotated[
        str | None, typer.Option("--predicted", hidden=True, help="Option of: nertool score FILE.")
    ] = None
    report: Annotated[str | None, typer.Option("--report", hidden=True, help="Option of: nertool score FILE.")] = None
    decoding: DecodingOption = ""
    fp32_kernels: FP32KernelsOption = "auto"
    allow_missing_weights: AllowMissingWeightsOption = False
    trust_remote_code: TrustRemoteCodeOption = False
    allow_stale: AllowStaleOption = False
    force: ForceOption = False

    def __post_init__(self) -> None:
        """Refuse values that make no sense, and options that do not go together."""
        super().__post_init__()
        if (self.predicted or self.report) and self.columns is None:
            raise InvalidOption("--predicted and --report are options of score", "Run: nertool score FILE")
        if self.precision and self.recall:
            raise InvalidOption("--precision and --recall cannot both be reached by one threshold", "Give one of them.")
        check_least("--precision", self.precision or [])
        check_least("--recall", self.recall or [])
        if self.columns is not None:
            refuse_unused(self, ("split", "quantized", "both", "inner", "decoding"), "is for a model of the workspace")
        if self.both:
            refuse_unused(self, ("quantized",), "is one of the two models of --both")


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
        goals = [_goal(workspace, options, model, splits) for model in models]
        others = _others(workspace, options, splits)
        results: dict[str, Result] = {}
        for model, goal in zip(models, goals, strict=True):
            prefix = f"{QUANTIZED} " if options.both and model.name == QUANTIZED else ""
            for split, result in _evaluate(workspace, options, model, splits).items():
                results[prefix + split] = result
            if goal:
                results[f"{prefix}thresholds"] = _keep_thresholds(workspace, options, model, splits, goal)
        if others:
            results["comparison"] = _compare(workspace, options, models[0].name, others)
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
        spelling = _spelling(workspace, load().labels)
        scorer, analysis = score_and_list_errors(tagged, spelling, options.strict, train, stage.file(files.errors))
        stage.facts = {**scorer.results(), **analysis.results(), "seqeval": compare_with_seqeval(scorer)}
        if analysis.shortened:
            logger.warning("%s: %s errors show a part of their long sentence", split, f"{analysis.shortened:,}")
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


def _spelling(workspace: Workspace, labels: Sequence[str]) -> Spelling:
    """Recognise the spelling of a model's labels; what types without prefixes are, `download` has decided."""
    spelling = spelling_of_labels(labels)
    scheme = workspace.facts("download").get("tags")
    if spelling.order not in ("types", "plain") or scheme is None:
        return spelling
    return spelling_of_labels(labels, "plain" if scheme == "plain" else "entities")


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
        what = "%s: %s tokens have tags that the model lacks, so it cannot predict them: %s"
        logger.warning(what, path.name, f"{lacking.total():,}", shown)
    return sentences


def _task_scores(
    workspace: Workspace, options: Options, split: str, scorer: Scorer, results: dict[str, Any]
) -> dict[str, Any]:
    """Give the score of the data set's own task, and the published scores, where there are any."""
    recipe = RECIPES.get(workspace.facts("download").get("recipe", ""))
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
        logger.warning(
            "%s sentences of %s pass the model's length: tagged in overlapping windows", counts.windowed, split
        )
    if counts.without_subwords:
        logger.warning("%s tokens of %s have no sub-words: tagged O", counts.without_subwords, split)


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


# -- thresholds ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ThresholdOptions(StageOptions):
    """What thresholds follow from, beside the entities."""

    precision: list[str] | None
    recall: list[str] | None
    decoding: str


def _goal(workspace: Workspace, options: Options, model: ModelFiles, splits: Sequence[str]) -> Goal | None:
    """What is wanted on dev, if anything is; looked at before anything is tagged."""
    if not options.precision and not options.recall:
        return None
    from nertool.models.model_directory import stored_labels
    from nertool.models.thresholds import entity_types, parse_least
    from nertool.scoring.operating_points import Goal

    measure: Literal["precision", "recall"] = "precision" if options.precision else "recall"
    labels = stored_labels(model.path, options.trust_remote_code)
    types = entity_types(labels, _spelling(workspace, labels))
    goal = Goal(measure, parse_least(f"--{measure}", options.precision or options.recall or [], types))
    if "dev" not in splits:
        raise InvalidOption(f"--{measure}: thresholds are found on dev, which is not evaluated", "Add: --split dev")
    return goal


def _keep_thresholds(
    workspace: Workspace, options: Options, model: ModelFiles, splits: Sequence[str], goal: Goal
) -> Result:
    """Write the thresholds that reach the goal beside the model; they go when another one takes its place."""
    entities = {split: result_files(model.name, split).entities for split in splits}
    again = workspace.command("evaluate", "--force")
    for name in entities.values():
        if not (workspace / name).exists():
            raise MissingInput(f"{workspace / name} is missing", f"Run: {again}")
    kept = f"{model.name}/{THRESHOLDS}"
    decoding = options.decoding or read_settings(model.path).decoding
    planned = StageRun(
        f"evaluate:{QUANTIZED}:thresholds" if model.name == QUANTIZED else "evaluate:thresholds",
        ThresholdOptions(options.precision, options.recall, decoding),
        reads=[*entities.values(), f"{model.name}/config.json"],
        writes=[kept],
        force=options.force,
    )

    def work(stage: Stage) -> None:
        from nertool.models.model_directory import stored_labels
        from nertool.scoring.operating_points import operating_points, read_entities

        with translate_odd_content(f"{workspace.path}: {' or '.join(entities.values())}", f"Run: {again}"):
            read = {split: read_entities(workspace / name) for split, name in entities.items()}
        stage.facts = operating_points(goal, read)
        stage.facts["labels"] = stored_labels(model.path, options.trust_remote_code)
        stage.facts["decoding"] = decoding
        write_json(stage.file(kept), stage.facts)

    return workspace.run(planned, work)


# -- two models ------------------------------------------------------------------------------------


def _others(workspace: Workspace, options: Options, splits: Sequence[str]) -> dict[str, OtherModel]:
    """Find the other model's tags of each split, before anything is tagged; empty if there is nothing to compare."""
    others = {}
    for split in splits if options.compare else ():
        assert options.compare
        others[split] = find_other(workspace, options.compare, split, splits, options.trust_remote_code)
    return others


def _compare(workspace: Workspace, options: Options, directory: str, others: Mapping[str, OtherModel]) -> Result:
    """Compare a model with another one on the same sentences."""
    compared = options.compare
    assert compared
    ours = {split: result_files(directory, split).predictions for split in others}
    sources = {}
    for split, other in others.items():
        for name, path in other.files.items():
            sources[f"{split} {name}"] = path
    planned = StageRun(
        "evaluate:comparison",
        options,
        reads=ours.values(),
        writes=[f"{EVALUATION}/{COMPARISON}"],
        sources=sources,
        force=options.force,
    )

    def work(stage: Stage) -> None:
        from nertool.scoring.prediction_files import read_tagged

        stage.facts = {"other": _name(compared)}
        for split, other in others.items():
            path = workspace / ours[split]
            stage.facts[split] = difference(read_tagged(path), path, other.tagged(), Path(compared), options.strict)
        _check_unchanged(sources, stage.identity["sources"])
        write_json(stage.file(f"{EVALUATION}/{COMPARISON}"), stage.facts)

    return workspace.run(planned, work)


def _check_unchanged(sources: Mapping[str, Path], digests: Mapping[str, Digest]) -> None:
    """Check that the other model was not published anew while it was read.

    Raises:
        InvalidData: it was.
    """
    for name, path in sources.items():
        if digest(path) != digests[name]:
            raise InvalidData(f"{path} changed while it was compared with; nothing was changed", "Run it again.")


def _name(path: str) -> str:
    return Path(path).resolve().name


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
