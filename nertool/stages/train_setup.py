"""From the options of `train` to what its trainings share: model, examples, plan, arguments of the Trainer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertool.corpus.column_files import read_labels, read_sentences
from nertool.corpus.running_text import cut_of_tokens
from nertool.errors import InvalidOption
from nertool.models.names import is_fine_tuned, label_names
from nertool.models.settings import TaggingSettings
from nertool.progress import logger
from nertool.spelling import read_corpus
from nertool.stages.train_options import Options
from nertool.tags import Pair, pairs
from nertool.training.fine_tuned import find_models
from nertool.training.plan import Plan
from nertool.workspace.names import EXAMPLES, LABELS, LOGS, TRAINING
from nertool.workspace.workspace import Workspace

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from nertool.training.examples import Examples, Source
    from nertool.training.setup import TrainingSetup

SENTENCES_LOOKED_AT = 2000
"""Sentences of train that tell how its tokens were cut."""


def make_setup(workspace: Workspace, options: Options) -> TrainingSetup:
    """Check what needs transformers to be checked, and load all that trainings share.

    Raises:
        InvalidOption: there is no such model, it does not fit the labels, or options do not go together.
        NertoolError: the files of the model are damaged.
        InvalidData: train or dev is no file of tokens and tags, or dev has other tags (names file and line).
    """
    from nertool.training import trainer_arguments
    from nertool.training.examples import check_tags
    from nertool.training.setup import TrainingSetup, example_length

    precision = trainer_arguments.precision(options.precision)
    trainer_arguments.check_report(options.report_to)
    given = trainer_arguments.parse(options.settings or [])
    _check_settings(options, given)
    if workspace.split_file("dev") is None and given.get("eval_strategy", "no") != "no":
        raise InvalidOption(
            f"--set eval_strategy={given['eval_strategy']}: there is no dev.txt to score", workspace.how_to_add("dev")
        )
    tokenizer = options.pretrained.tokenizer()
    config = options.pretrained.config(read_labels(workspace / LABELS))
    if options.as_it_is:
        _check_as_it_is(options, config)
    length = example_length(tokenizer, config, options.max_length, options.model)
    settings = _tagging_settings(workspace, options)
    if dev := workspace.split_file("dev"):
        check_tags(dev, label_names(config))
    source = _source(workspace, options, label_names(config), length)
    return TrainingSetup(
        pretrained=options.pretrained,
        config=config,
        tokenizer=tokenizer,
        make_examples=partial(_examples, workspace, options, source, tokenizer, settings),
        plan=_plan(workspace, options, length, settings),
        precision=precision,
        arguments=trainer_arguments.from_options(options),
        given=given,
        directory=workspace / TRAINING,
    )


def _check_settings(options: Options, given: Mapping[str, Any]) -> None:
    """Refuse arguments of the Trainer with which an option would do nothing.

    Raises:
        InvalidOption: there is one.
    """
    if given.get("max_steps", 0) > 0 and (options.as_it_is or options.search):
        other = "--search, which tries numbers of epochs" if options.search else "--num-epochs 0, which trains nothing"
        raise InvalidOption(f"--set max_steps does not go with {other}", "Leave one of both out.")
    if options.patience and given.get("eval_strategy") == "no":
        raise InvalidOption(
            "--patience needs dev scores, and --set eval_strategy=no asks for none but the last",
            "Leave one of both out.",
        )
    if "eval_steps" in given and given.get("eval_strategy") != "steps":
        raise InvalidOption("--set eval_steps: dev is scored after each epoch", "Add: --set eval_strategy=steps")
    if options.warmup_ratio and given.get("warmup_steps"):
        raise InvalidOption("--warmup-ratio does not go with --set warmup_steps", "Leave one of both out.")
    if given.get("gradient_checkpointing_kwargs") and not options.gradient_checkpointing:
        raise InvalidOption(
            "--set gradient_checkpointing_kwargs is for --gradient-checkpointing", "Give both, or leave it out."
        )
    by_length = given.get("group_by_length") or given.get("train_sampling_strategy") == "group_by_length"
    if options.max_tokens_per_batch and by_length:
        raise InvalidOption(
            "--max-tokens-per-batch makes steps of like size, not of sentences of like length",
            "Leave out --set group_by_length, or give --batch-size.",
        )


def _check_as_it_is(options: Options, config: PretrainedConfig) -> None:
    """Check that a model can be taken as it is, and say so.

    Raises:
        InvalidOption: it has no head for tags.
    """
    if not is_fine_tuned(config):
        raise InvalidOption(
            f"--num-epochs 0 takes a model as it is, and --model {options.model} has no head for tags",
            "Name a fine-tuned model, or train: --num-epochs 3",
        )
    logger.info("--num-epochs 0: the model is kept as it is; options of the training change nothing")


def _source(workspace: Workspace, options: Options, labels: Sequence[str], length: int) -> Source:
    """What the examples of train are made of.

    Args:
        labels: of the model, in the order of their ids.
        length: sub-words of an example at most.
    """
    from nertool.training.examples import Source

    return Source(
        workspace / "train.txt",
        tuple(labels),
        length,
        options.label_all_tokens,
        options.max_train_samples,
        options.preprocessing_num_workers,
        taught=bool(options.teachers),
    )


def _examples(
    workspace: Workspace,
    options: Options,
    source: Source,
    tokenizer: PreTrainedTokenizerBase,
    settings: TaggingSettings,
) -> Examples:
    """The examples of train; with teachers, what they say of these and of unlabelled ones too.

    Args:
        settings: how running text is cut into tokens, and the scheme of train.
    """
    from nertool.training.examples import load_examples

    cache = workspace / EXAMPLES
    if not options.teachers:
        return load_examples(source, tokenizer, cache, anew=options.force)
    from nertool.training.taught_examples import load_taught_examples
    from nertool.training.teachers import Teachers

    directories: list[Path] = []
    for name in options.teachers:
        directories += find_models(name, "--teacher", options.cache_dir, options.token)
    weight, temperature = options.distil_weight, options.distil_temperature
    teachers = Teachers(tuple(directories), source.labels, settings.scheme, weight, temperature)
    return load_taught_examples(
        source,
        _unlabelled(options, source, settings.tokenizer),
        tokenizer,
        cache,
        teachers,
        anew=options.force,
    )


def _unlabelled(options: Options, source: Source, cut: str) -> Source | None:
    """The sentences that only teachers label, cut as those of train are; None without `--unlabelled`."""
    if not options.unlabelled:
        return None
    from nertool.training.unlabelled import UnlabelledSource

    first, *more = map(Path, options.unlabelled)
    return UnlabelledSource(
        first,
        source.labels,
        source.max_length,
        source.all_subwords,
        workers=source.workers,
        taught=True,
        more=tuple(more),
        cut=cut,
        on_error=options.unlabelled_errors,
    )


def _plan(workspace: Workspace, options: Options, length: int, settings: TaggingSettings) -> Plan:
    """How to train, beside the Trainer's own arguments.

    Args:
        length: sub-words of an example at most.
        settings: how dev is tagged.
    """
    return Plan(
        dev=workspace.split_file("dev"),
        dev_limit=options.max_eval_samples,
        keep_best=options.keep == "best",
        patience=options.patience,
        accumulation_steps=options.gradient_accumulation_steps,
        max_subwords=options.max_tokens_per_batch,
        unlabelled_share=options.unlabelled_share,
        ema=options.ema,
        head_rate=options.head_learning_rate,
        layer_decay=options.layer_decay,
        packed=options.packing,
        pad_to=length if options.pad_to_max_length else None,
        fast_dropout=options.fast_dropout,
        reporter=options.report_to,
        logs=workspace / LOGS / options.output_dir,
        settings=settings,
    )


def _tagging_settings(workspace: Workspace, options: Options) -> TaggingSettings:
    """How sentences are to be tagged: running text as `download` cut it, and tags in the scheme of train.

    Without a word from `download`, texts are cut as the tokens of train seem to be.
    """
    train = workspace / "train.txt"
    tokenizer = workspace.facts("download").get("tokenizer")
    if not isinstance(tokenizer, str):
        tokenizer = cut_of_tokens(sentence.tokens for sentence in islice(read_sentences(train), SENTENCES_LOOKED_AT))
    counts: Counter[Pair] = Counter()
    sentences = 0
    for sentence in read_sentences(train):
        counts.update(pairs(sentence.tags))
        sentences += 1
    scheme = read_corpus(counts, sentences).scheme
    if scheme == "plain":
        return TaggingSettings(tokenizer)
    return TaggingSettings(tokenizer, options.decoding or "viterbi", scheme)
