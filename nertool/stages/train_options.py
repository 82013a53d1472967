"""Options of `train`: names are those of the README and of run_ner.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import typer

from nertool.errors import InvalidOption
from nertool.stages.options import (
    LARGEST_SEED,
    AllowMissingWeightsOption,
    BatchSizeOption,
    DecodingOption,
    ForceOption,
    LearningRateOption,
    MaxLengthOption,
    ModelOption,
    SeedOption,
    TrustRemoteCodeOption,
)
from nertool.training.layers import parse_layers
from nertool.training.pretrained import Pretrained
from nertool.workspace.names import MODEL, is_model_name
from nertool.workspace.option_values import refuse_unused
from nertool.workspace.stage_options import StageOptions

OF_TRAINING = (
    "search",
    "seeds",
    "curve",
    "teachers",
    "layers",
    "ema",
    "ignore_mismatched_sizes",
    "allow_missing_weights",
)
"""Options that do not go with a model that is taken as it is."""
OF_UNLABELLED = ("unlabelled_share", "unlabelled_errors")
"""Options that nothing uses without `--unlabelled`."""
OF_TEACHERS = ("distil_weight", "distil_temperature", "unlabelled", *OF_UNLABELLED)
"""Options that nothing uses without `--teacher`."""
SEARCHED = ("learning_rate", "batch_size", "max_tokens_per_batch", "num_epochs")
"""Options in whose place `--search` tries values of its own."""


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `train`; names are those of the README and of run_ner.py."""

    unrecorded = (
        *StageOptions.unrecorded,
        "overwrite_output_dir",
        "as_readme",
        "cache_dir",
        "token",
        "preprocessing_num_workers",
        "return_entity_level_metrics",
        "report_to",
        "push_to_hub",
        "hub_model_id",
        "hub_private_repo",
    )

    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Model": (
            *("config_name", "tokenizer_name", "cache_dir", "model_revision", "trust_remote_code"),
            *("layers", "ignore_mismatched_sizes"),
            "allow_missing_weights",
        ),
        "Data": (
            *("max_train_samples", "max_eval_samples", "label_all_tokens", "return_entity_level_metrics"),
            "preprocessing_num_workers",
        ),
        "Batches": (
            *("max_tokens_per_batch", "gradient_accumulation_steps", "gradient_checkpointing", "packing"),
            "pad_to_max_length",
        ),
        "Optimizer": (
            *("head_learning_rate", "layer_decay", "warmup_ratio", "weight_decay", "ema", "precision"),
            *("compile", "fast_dropout", "settings"),
        ),
        "Teachers": ("teachers", *OF_TEACHERS),
        "Runs": ("seeds", "ensemble", "search", "as_readme", "curve", "keep", "patience", "decoding"),
        "Output": ("overwrite_output_dir", "save_steps", "save_total_limit", "report_to"),
        "Hub": ("token", "push_to_hub", "hub_model_id", "hub_private_repo"),
    }

    model: ModelOption = "minilm"
    config_name: Annotated[
        str, typer.Option("--config-name", help="Configuration of another model: a directory or a name on the Hub.")
    ] = ""
    tokenizer_name: Annotated[
        str, typer.Option("--tokenizer-name", help="Tokenizer of another model: a directory or a name on the Hub.")
    ] = ""
    cache_dir: Annotated[
        str | None,
        typer.Option("--cache-dir", help="Directory that keeps models of the Hub [default: the Hub's own cache]."),
    ] = None
    model_revision: Annotated[
        str, typer.Option("--model-revision", help="Branch, tag or commit of a model on the Hub.")
    ] = "main"
    token: Annotated[
        str | None,
        typer.Option("--token", "--hub-token", help="Access token of the Hub [default: HF_TOKEN, or a login]."),
    ] = None
    trust_remote_code: TrustRemoteCodeOption = False
    ignore_mismatched_sizes: Annotated[
        bool,
        typer.Option(
            "--ignore-mismatched-sizes", help="Start weights anew where shapes differ, such as a head for other labels."
        ),
    ] = False
    allow_missing_weights: AllowMissingWeightsOption = False
    layers: Annotated[
        str,
        typer.Option(
            "--layers",
            help="Layers of the encoder to start from: a number, such as 3, or numbers from 0, such as 0,2,5 "
            "[default: all].",
            show_default=False,
        ),
    ] = ""
    max_length: MaxLengthOption = 128
    packing: Annotated[
        bool,
        typer.Option(
            "--packing/--no-packing", help="Pack several sentences into a row, which leaves hardly any padding."
        ),
    ] = True
    fast_dropout: Annotated[
        bool,
        typer.Option(
            "--fast-dropout/--no-fast-dropout",
            help="Draw random numbers for dropout faster than PyTorch, on a CPU with --packing.",
        ),
    ] = True
    pad_to_max_length: Annotated[
        bool, typer.Option("--pad-to-max-length", help="Pad every sentence to the maximum length (no packing).")
    ] = False
    max_train_samples: Annotated[
        int | None,
        typer.Option("--max-train-samples", min=1, help="Number of sentences to train on, the first ones of train."),
    ] = None
    max_eval_samples: Annotated[
        int | None,
        typer.Option("--max-eval-samples", min=1, help="Number of sentences to score dev on, the first ones of dev."),
    ] = None
    label_all_tokens: Annotated[
        bool,
        typer.Option(
            "--label-all-tokens", help="Learn a word's tag on all sub-words of the word, not on the first alone."
        ),
    ] = False
    return_entity_level_metrics: Annotated[
        bool, typer.Option("--return-entity-level-metrics", help="Show the dev scores of each type.")
    ] = False
    preprocessing_num_workers: Annotated[
        int, typer.Option("--preprocessing-num-workers", min=1, max=1024, help="Number of processes that tokenize.")
    ] = 1
    output_dir: Annotated[
        str, typer.Option("--output-dir", envvar="OUTPUT_DIR", help="Directory of the model, in the workspace.")
    ] = MODEL
    overwrite_output_dir: Annotated[
        bool,
        typer.Option("--overwrite-output-dir", help="Replace a model that other options or other data have made."),
    ] = False
    batch_size: BatchSizeOption = 32
    max_tokens_per_batch: Annotated[
        int | None,
        typer.Option(
            "--max-tokens-per-batch",
            min=8,
            help="Maximum number of sub-words in a batch, in place of a number of sentences.",
        ),
    ] = None
    gradient_accumulation_steps: Annotated[
        int, typer.Option("--gradient-accumulation-steps", min=1, help="Number of batches in an optimizer step.")
    ] = 1
    gradient_checkpointing: Annotated[
        bool, typer.Option("--gradient-checkpointing", help="Compute activations twice, to save memory.")
    ] = False
    num_epochs: Annotated[
        float,
        typer.Option(
            "--num-epochs",
            "--num-train-epochs",
            envvar="NUM_EPOCHS",
            min=0,
            max=100_000,
            help="Passes over train (epochs); 0 takes a fine-tuned --model as it is.",
        ),
    ] = 3.0
    save_steps: Annotated[
        int,
        typer.Option(
            "--save-steps",
            envvar="SAVE_STEPS",
            min=1,
            help="Steps between checkpoints; training ends with one, and so does an epoch that has none for 5 minutes.",
        ),
    ] = 750
    save_total_limit: Annotated[
        int, typer.Option("--save-total-limit", min=1, help="Number of checkpoints to keep, the latest ones.")
    ] = 1
    seed: SeedOption = 1
    seeds: Annotated[
        str | None,
        typer.Option("--seeds", help="Seeds such as 1,2,3: train with each, and keep the model that is best on dev."),
    ] = None
    ensemble: Annotated[
        bool,
        typer.Option("--ensemble", help="Keep the models of all --seeds in seeds/ too; together they are a --teacher."),
    ] = False
    search: Annotated[
        int | None,
        typer.Option(
            "--search",
            min=1,
            help="Number of trials with other learning rates, batch sizes and numbers of epochs (Optuna).",
        ),
    ] = None
    as_readme: Annotated[
        bool,
        typer.Option(
            "--as-readme",
            help="Train with the README's values, where a recipe has tuned others for the model on its dev data.",
        ),
    ] = False
    curve: Annotated[
        str | None,
        typer.Option(
            "--curve",
            help="Shares of train such as 0.25,0.5,1: train on each, and show what more data may bring; the model of "
            "all is kept.",
        ),
    ] = None
    learning_rate: LearningRateOption = 5e-5
    warmup_ratio: Annotated[
        float,
        typer.Option(
            "--warmup-ratio",
            min=0,
            max=0.99,
            help="Fraction of steps for linear learning-rate warm-up; 0.1 steadies large models.",
        ),
    ] = 0.0
    head_learning_rate: Annotated[
        float | None,
        typer.Option(
            "--head-learning-rate", min=0, help="Peak learning rate of the head [default: that of the encoder]."
        ),
    ] = None
    layer_decay: Annotated[
        float,
        typer.Option(
            "--layer-decay",
            min=0.01,
            max=1,
            help="Factor of the learning rate from each layer to the one below it; 1: the same rate for all.",
        ),
    ] = 1.0
    weight_decay: Annotated[float, typer.Option("--weight-decay", min=0, help="Weight decay of AdamW.")] = 0.01
    teachers: Annotated[
        list[str] | None,
        typer.Option(
            "--teacher",
            help="Model whose probabilities are learnt beside the gold tags: a directory, a workspace, or a name on "
            "the Hub; may be repeated, for their mean.",
            show_default=False,
        ),
    ] = None
    distil_weight: Annotated[
        float,
        typer.Option(
            "--distil-weight", min=0, max=1, help="Weight of the teachers in the loss; the gold tags' is the rest."
        ),
    ] = 0.5
    distil_temperature: Annotated[
        float,
        typer.Option(
            "--distil-temperature",
            min=0.1,
            max=100,
            help="Temperature of the probabilities of teachers and model when they are compared.",
        ),
    ] = 1.0
    unlabelled: Annotated[
        list[str] | None,
        typer.Option(
            "--unlabelled",
            help="File of sentences that only teachers label: running text, columns or JSON Lines, also .gz; may be "
            "repeated.",
            show_default=False,
        ),
    ] = None
    unlabelled_share: Annotated[
        float,
        typer.Option(
            "--unlabelled-share", min=0.01, max=0.99, help="Fraction of each batch that is unlabelled sentences."
        ),
    ] = 0.5
    unlabelled_errors: Annotated[
        Literal["stop", "skip"],
        typer.Option("--unlabelled-on-error", help="Stop at, or skip, an unlabelled record that cannot be read."),
    ] = "stop"
    ema: Annotated[
        float | None,
        typer.Option(
            "--ema",
            min=0,
            max=0.999999,
            help="Decay of the exponential moving average of the weights, such as 0.99, which is scored and published "
            "in place of the weights [default: none].",
            show_default=False,
        ),
    ] = None
    keep: Annotated[
        Literal["best", "last"],
        typer.Option("--keep", help="Weights to keep: those of the epoch that is best on dev, or of the last epoch."),
    ] = "best"
    decoding: DecodingOption = ""
    patience: Annotated[
        int,
        typer.Option(
            "--patience", min=0, help="Epochs without a better dev score after which training ends; 0: never."
        ),
    ] = 0
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"],
        typer.Option(
            "--precision",
            help="Precision of matrix products; auto takes half precision where the device is made for that.",
        ),
    ] = "auto"
    compile: Annotated[
        bool, typer.Option("--compile", help="Compile the model before the training (torch.compile).")
    ] = False
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE for any other field of transformers.TrainingArguments; may be repeated."),
    ] = None
    report_to: Annotated[
        str,
        typer.Option(
            "--report-to", help="Program to log to: tensorboard, trackio, ...; logs are below logs/ in the workspace."
        ),
    ] = "none"
    push_to_hub: Annotated[bool, typer.Option("--push-to-hub", help="Send the trained model to the Hub.")] = False
    hub_model_id: Annotated[
        str | None,
        typer.Option(
            "--hub-model-id", help="Name of the trained model on the Hub [default: the model directory's name]."
        ),
    ] = None
    hub_private_repo: Annotated[
        bool, typer.Option("--hub-private-repo", help="Make the trained model's repository on the Hub private.")
    ] = False
    force: ForceOption = False

    def __post_init__(self) -> None:
        """Refuse values that make no sense, and options that do not go together."""
        super().__post_init__()
        if self.search and (self.seeds or self.keep == "last"):
            raise InvalidOption(
                "--search goes neither with --seeds nor with --keep last", "Search first; then train with its result."
            )
        if self.search:
            refuse_unused(self, SEARCHED, "does not go with --search, which tries values of its own")
        if self.as_it_is:
            refuse_unused(self, OF_TRAINING, "does not go with --num-epochs 0, which trains nothing")
        if self.curve is not None:
            parse_shares(self.curve)
            refuse_unused(self, ("seeds", "search"), "does not go with --curve", "Give one of both.")
        if self.layers:
            parse_layers(self.layers)
        if self.seeds is not None:
            parse_seeds(self.seeds)
            refuse_unused(self, ("seed",), "does not go with --seeds", "Name every seed in --seeds.")
        if self.max_tokens_per_batch is not None:
            refuse_unused(self, ("batch_size",), "does not go with --max-tokens-per-batch", "Give one of both.")
        if self.seeds is None:
            refuse_unused(self, ("ensemble",), "is for --seeds", "Name several seeds, or leave it out.")
        if not self.teachers:
            refuse_unused(self, OF_TEACHERS, "is for --teacher", "Name a teacher, or leave it out.")
        if not self.unlabelled:
            refuse_unused(self, OF_UNLABELLED, "is for --unlabelled", "Name files of sentences, or leave it out.")
        if not is_model_name(self.output_dir):
            raise InvalidOption(
                f"--output-dir {self.output_dir}: the model lies in the workspace, under a name of its own",
                "Give a plain name, such as model; the workspace is chosen by -w DIR.",
            )
        if not self.push_to_hub:
            refuse_unused(self, ("hub_model_id", "hub_private_repo"), "is for --push-to-hub", "Give both, or none.")

    @property
    def as_it_is(self) -> bool:
        """The model is not trained, but scored on dev, calibrated and published."""
        return self.num_epochs == 0

    @property
    def pretrained(self) -> Pretrained:
        """Where the model comes from."""
        return Pretrained(
            self.model,
            self.config_name,
            self.tokenizer_name,
            self.ignore_mismatched_sizes,
            self.allow_missing_weights,
            {
                "cache_dir": self.cache_dir,
                "revision": self.model_revision,
                "token": self.token,
                "trust_remote_code": self.trust_remote_code,
            },
            self.layers,
        )


def parse_seeds(text: str) -> list[int]:
    """The seeds in a value of `--seeds`, such as `1,2,3`, each once.

    Raises:
        InvalidOption: it holds something else than whole numbers, or one that is no seed; or there is only one.
    """
    try:
        seeds = list(dict.fromkeys(map(int, text.split(","))))
    except ValueError as error:
        raise InvalidOption(
            f"--seeds {text}: not whole numbers with commas between", "Such as --seeds 1,2,3"
        ) from error
    if not 0 <= min(seeds) <= max(seeds) <= LARGEST_SEED:
        raise InvalidOption(f"--seeds {text}: out of range", f"Write numbers from 0 to {LARGEST_SEED}.")
    if len(seeds) == 1:
        raise InvalidOption(f"--seeds {text}: one seed has no deviation", f"Name several, or take --seed {seeds[0]}.")
    return seeds


def parse_shares(text: str) -> list[float]:
    """The shares in a value of `--curve`, such as `0.25,0.5,1`.

    Raises:
        InvalidOption: it holds something else than numbers, one out of range, one that is not above the one before it,
            or only 1.
    """
    hint = "Such as --curve 0.25,0.5,1"
    try:
        shares = list(map(float, text.split(",")))
    except ValueError as error:
        raise InvalidOption(f"--curve {text}: not numbers with commas between", hint) from error
    if not all(0 < share <= 1 for share in shares):
        raise InvalidOption(f"--curve {text}: a share is above 0, and 1 at most", hint)
    if any(share >= following for share, following in pairwise(shares)):
        raise InvalidOption(f"--curve {text}: each share has to be larger than the one before it", hint)
    if shares == [1]:
        raise InvalidOption(f"--curve {text}: a curve has two shares at least", hint)
    return shares
