"""Fine-tune a model on train.txt with the Trainer, as the README's run_ner.py, and score dev after each epoch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nertool.corpus.column_files import read_labels, read_sentences
from nertool.errors import InvalidOption, MissingInput
from nertool.models.names import (
    MINILM_HUB,
    MODEL_FILES,
    model_sources,
    public_name,
    quiet_transformers,
    resolve_model,
)
from nertool.models.settings import TaggingSettings
from nertool.progress import logger
from nertool.stages.train_options import OF_TEACHERS, OF_UNLABELLED, Options, parse_seeds, parse_shares
from nertool.stages.train_setup import make_setup
from nertool.training import processes
from nertool.training.facts import ComparisonFacts, RunFacts, StartFacts, TrainFacts
from nertool.training.fine_tuned import teacher_sources
from nertool.training.layers import choose_layers
from nertool.workspace.names import LABELS, SEEDS
from nertool.workspace.option_values import refuse_unused
from nertool.workspace.stage import Result, Stage, StageRun
from nertool.workspace.workspace import Workspace

if TYPE_CHECKING:
    from nertool.training.data_curve import Part
    from nertool.training.seeds import SeedRun
    from nertool.training.setup import TrainingSetup

__all__ = ["Options", "run"]


def run(workspace: Workspace, options: Options) -> Result:
    """Write the model directory: safetensors, tokenizer, configuration with id2label, model card, last checkpoint.

    A run that was killed goes on from its last checkpoint. Started by `torchrun` or `accelerate launch`, all processes
    train and the first one writes.

    Raises:
        MissingInput: labels or preprocess have not been run, or there is no dev file to choose the best epoch by.
        InvalidOption: no such model, an output directory that is not the workspace's own, arguments that do not go
            together, a length that the model does not have.
        InvalidData: a tag that labels.txt does not hold (names file and line), no sentence to train on.
        NertoolError: a model that other options or data have made would be replaced; the hub refuses.
    """
    quiet_transformers()
    if processes.rank():
        return _run_other_process(workspace, options)
    with workspace.locked("train", creates=False):
        _check(workspace, options)
        result = _run_first_process(workspace, options)
    if options.push_to_hub:
        from nertool.training.model_card import push

        directory = workspace / options.output_dir
        name = options.hub_model_id or options.output_dir
        logger.info("sent to %s", push(directory, name, options.token, options.hub_private_repo))
    return result


def _run_first_process(workspace: Workspace, options: Options) -> Result:
    """Train and publish, if there is something to do; tell the other processes whether there is."""
    running = workspace.under_way("train")

    def work(stage: Stage) -> None:
        processes.from_first(False)
        prepared = _prepare(workspace, options)
        with running.begun(stage.identity, options.force, workspace.invocation):
            processes.wait_for_first()  # only now may the others make directories there
            trained = _train(workspace, options, prepared)
        stage.facts = dict(trained.facts)
        _publish(workspace, options, stage, trained)
        if options.ensemble:
            _publish_seeds(options, stage, trained)

    result = workspace.run(_planned(workspace, options), work)
    if result.fresh:
        processes.from_first(True)
    running.end(workspace.records().get("train", {}))
    return result


def _run_other_process(workspace: Workspace, options: Options) -> Result:
    """Train along, if the first process finds that there is something to do."""
    if processes.from_first(True):
        return Result("train", {}, True)
    prepared = _prepare(workspace, options)
    processes.wait_for_first()
    return Result("train", dict(_train(workspace, options, prepared).facts), False)


def _planned(workspace: Workspace, options: Options) -> StageRun:
    reads = ["train.txt", LABELS]
    if workspace.split_file("dev"):
        reads.append("dev.txt")
    if (options.seeds or options.curve) and workspace.split_file("test"):
        reads.append("test.txt")
    sources = model_sources(options.model, MODEL_FILES)
    for name in options.pretrained.names[1:]:
        sources |= model_sources(name, MODEL_FILES)
    sources |= teacher_sources(options.teachers or [])
    for number, path in enumerate(options.unlabelled or [], start=1):
        sources[f"unlabelled-{number}/{Path(path).name}"] = Path(path)
    return StageRun(
        "train",
        options,
        reads=reads,
        writes=[f"{options.output_dir}/config.json"],
        replaces=[options.output_dir, SEEDS] if options.ensemble else [options.output_dir],
        protects=not options.overwrite_output_dir,
        sources=sources,
        packages=["torch", "transformers", "tokenizers", "datasets", "accelerate"],
        force=options.force,
    )


# -- before ----------------------------------------------------------------------------------------


def _check(workspace: Workspace, options: Options) -> None:
    """Refuse what can be seen to fail before anything is loaded, and before any value is kept for going on."""
    if all(os.path.isdir(resolve_model(name)) for name in options.pretrained.names):
        refuse_unused(options, ("model_revision",), "is for models of the Hub")
    for file in options.unlabelled or []:
        if not os.path.isfile(file):
            what = "not a file" if os.path.exists(file) else "no such file"
            raise MissingInput(f"--unlabelled {file}: {what}", "Name files of text, columns or JSON Lines.")
    workspace.require_split("train")
    workspace.require(LABELS, "labels")
    if workspace.split_file("dev") is None:
        _check_without_dev(workspace, options)
    if options.search and processes.world() > 1:
        raise InvalidOption("--search runs in one process", "Search first; then train with what was found.")
    if options.settings:
        from nertool.training import trainer_arguments

        trainer_arguments.parse(options.settings)


def _check_without_dev(workspace: Workspace, options: Options) -> None:
    needs_dev = {
        "--search": options.search,
        "--seeds": options.seeds,
        "--curve": options.curve,
        "--patience": options.patience,
        "--keep best": options.keep == "best",
        "--num-epochs 0": options.as_it_is,
    }
    for flag, given in needs_dev.items():
        if given:
            raise MissingInput(
                f"{workspace / 'dev.txt'} is missing: {flag} needs its scores",
                f"{workspace.how_to_add('dev')} (or train without it: --keep last)",
            )


# -- training --------------------------------------------------------------------------------------


class Trained(NamedTuple):
    """What has been trained.

    Attributes:
        directory: that holds the kept weights of the best training.
        facts: of the stage.
        seeds: the trainings of `--seeds`.
        settings: how sentences are to be tagged.
    """

    directory: Path
    facts: TrainFacts
    seeds: Sequence[SeedRun]
    settings: TaggingSettings


class Trainings(NamedTuple):
    """One training or several.

    Attributes:
        directory: that holds the kept weights of the one that is published.
        run: its facts.
        compared: how several compare.
        seeds: the trainings of `--seeds`.
    """

    directory: Path
    run: RunFacts
    compared: ComparisonFacts
    seeds: Sequence[SeedRun] = ()


class Prepared(NamedTuple):
    """What the trainings begin with, once all that can be refused has been.

    Attributes:
        setup: what they share.
        parts: of train, for `--curve`.
        test: file to score kept weights on too; None for none.
    """

    setup: TrainingSetup
    parts: Sequence[Part]
    test: Path | None


def _prepare(workspace: Workspace, options: Options) -> Prepared:
    """Load what trainings begin with, and refuse what they would refuse: what another run has left is still there."""
    from nertool.training.examples import warn_of_losses

    parts = _parts(workspace, options) if options.curve else []
    test = _test_file(workspace) if options.seeds or options.curve else None
    setup = make_setup(workspace, options)
    setup.check()
    if processes.rank() == 0:
        warn_of_losses(setup.examples.counts, setup.examples.max_length)
    return Prepared(setup, parts, test)


def _test_file(workspace: Workspace) -> Path | None:
    """The file of test, which is read through now and not after hours; None where there is none to score.

    Raises:
        InvalidData: a line has no tag (names file and line).
    """
    path = workspace.split_file("test")
    if path and not sum(1 for _ in read_sentences(path)):
        logger.warning("%s holds no sentence: it is not scored", path)
        return None
    return path


def _train(workspace: Workspace, options: Options, prepared: Prepared) -> Trained:
    """Train once or several times, and tell what that gave."""
    setup, examples = prepared.setup, prepared.setup.examples
    examples.teach()
    directory, run, compared, runs = _run_trainings(options, prepared)
    processes.wait_for_all()  # the first one now publishes and removes what the others may still read
    if not options.return_entity_level_metrics:
        run.pop("types", None)
    facts: TrainFacts = {
        "model": options.model if options.model == "minilm" else public_name(options.model),
        "output_dir": options.output_dir,
        **_start(setup, options),
        **examples.counts,
        "precision": setup.precision,
        **run,
        **compared,
    }
    return Trained(directory, facts, runs, setup.plan.settings)


def _run_trainings(options: Options, prepared: Prepared) -> Trainings:
    """Train once, or with each seed, or in each trial, or on each part."""
    setup, parts, test = prepared
    if options.search:
        from nertool.training.search import Search

        directory, run, trials = Search(setup, options.search).run()
        return Trainings(directory, run, {"trials": trials})
    if options.seeds:
        from nertool.training.seeds import best_on_dev, compare_seeds, train_with_seeds

        runs = train_with_seeds(setup, parse_seeds(options.seeds), test)
        best = best_on_dev(runs)
        return Trainings(best.directory, best.facts.copy(), compare_seeds(runs), runs)
    if parts:
        from nertool.training.data_curve import train_on_parts

        return Trainings(*train_on_parts(setup, parts, test))
    tuning = setup.fine_tuning()
    return Trainings(tuning.directory, tuning.run("train"), {})


def _parts(workspace: Workspace, options: Options) -> list[Part]:
    """The parts of train that `--curve` asks for; all of it is the last one."""
    from nertool.training.data_curve import draw_parts

    shares = parse_shares(options.curve or "")
    if shares[-1] < 1:
        logger.info("--curve %s: 1 is added, since the model that is kept learns from all sentences", options.curve)
        shares.append(1.0)
    return draw_parts(workspace / "train.txt", options.max_train_samples, shares, options.seed)


def _start(setup: TrainingSetup, options: Options) -> StartFacts:
    """What the training starts from, beside the model."""
    start: StartFacts = {}
    if options.layers:
        start["layers"] = choose_layers(options.layers, setup.config.num_hidden_layers, options.model)
    if options.teachers:
        start["teachers"] = [public_name(name) for name in options.teachers]
    if setup.examples.unlabelled:
        start["unlabelled"] = setup.examples.unlabelled.counts["sentences"]
    return start


# -- after -----------------------------------------------------------------------------------------


def _publish(workspace: Workspace, options: Options, stage: Stage, trained: Trained) -> None:
    """Put the weights of a training into the staged model directory, and add what people look at."""
    from nertool.training import model_card, publish

    target = stage.directory(options.output_dir)
    publish.link_weights(trained.directory, target)
    _complete(options, target, trained.settings, stage.facts)
    publish.write_curves(target, stage.facts)
    training = {"facts": stage.facts, "options": _used(options), "versions": stage.identity["versions"]}
    card, data = target / model_card.CARD, workspace.facts("download")
    model_card.write(card, options.output_dir, _base(options.model), read_labels(workspace / LABELS), training, data)


def _base(model: str) -> str | None:
    """Name on the Hub of the model that was fine-tuned; None for a directory."""
    if model == "minilm":
        return MINILM_HUB
    return None if Path(model).is_dir() else public_name(model)


def _used(options: Options) -> dict[str, Any]:
    """The options as they go into the record, without those of teachers where there are none."""
    unused = OF_TEACHERS if not options.teachers else OF_UNLABELLED if not options.unlabelled else ()
    return {name: value for name, value in options.recorded().items() if name not in unused}


def _publish_seeds(options: Options, stage: Stage, trained: Trained) -> None:
    """Put the weights of all seeds into model directories of their own, in one that is staged."""
    from nertool.training import publish

    together = stage.directory(SEEDS)
    for run in trained.seeds:
        target = together / str(run.seed)
        publish.link_kept(run.directory, target)
        _complete(options, target, trained.settings, run.facts)


def _complete(options: Options, target: Path, settings: TaggingSettings, facts: Mapping[str, Any]) -> None:
    """Add what a model directory needs beside the weights to tag: tokenizer, settings, calibration."""
    from nertool.models.calibration import Calibration
    from nertool.models.model_directory import stored_labels

    options.pretrained.tokenizer().save_pretrained(target)  # as it was before the training used it
    settings.write(target)
    if "calibration" in facts:
        Calibration.from_dict(facts["calibration"]).write(target, stored_labels(target, options.trust_remote_code))
