"""Options that more than one stage has, declared once: name, environment variable, help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal, TypeVar

import typer

from nertool.errors import InvalidOption
from nertool.workspace.names import SPLITS

OptionsType = TypeVar("OptionsType")

NAMING_OPTIONS = ("recipe", "train_file", "validation_file", "test_file", "dataset")
"""Options that name data, by their fields."""
FIRST_GROUP = "Options"
"""Heading of the options that people need first: those that no group of `Options.groups` names."""
ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        "--model-name-or-path",
        envvar="BERT_MODEL",
        help="Model: a directory, a name on the Hugging Face Hub, or minilm (a package of its own).",
    ),
]
MaxLengthOption = Annotated[
    int,
    typer.Option(
        "--max-length",
        "--max-seq-length",
        envvar="MAX_LENGTH",
        min=3,
        help="Sub-words of a sentence, special tokens included.",
    ),
]
NumEpochsOption = Annotated[
    float,
    typer.Option(
        "--num-epochs",
        "--num-train-epochs",
        envvar="NUM_EPOCHS",
        min=0.01,
        max=100_000,
        help="Passes over train (epochs).",
    ),
]
BatchSizeOption = Annotated[
    int,
    typer.Option(
        "--batch-size", "--per-device-train-batch-size", envvar="BATCH_SIZE", min=1, help="Sentences in a batch."
    ),
]
LearningRateOption = Annotated[
    float,
    typer.Option(
        "--learning-rate",
        "--lr",
        envvar="LEARNING_RATE",
        min=0,
        help="Peak learning rate; linear decay to 0 follows.",
    ),
]
LARGEST_SEED = 2**32 - 1
"""NumPy takes no larger one."""
SeedOption = Annotated[
    int, typer.Option("--seed", envvar="SEED", min=0, max=LARGEST_SEED, help="Seed of everything that is random.")
]
MinScoreOption = Annotated[
    list[str] | None,
    typer.Option(
        "--min-score",
        help="Least probability of an entity, such as 0.9, or of a type, such as PER=0.9; may be repeated. "
        "What is below is tagged O.",
        show_default=False,
    ),
]
ThresholdsOption = Annotated[
    str | None,
    typer.Option(
        "--thresholds",
        help="File of least probabilities that evaluate --precision or --recall has kept; own: that of the model.",
        show_default=False,
    ),
]
StrictOption = Annotated[
    Literal["iob1", "iob2", "ioe1", "ioe2", "iobes", "bilou", "bmewo"] | None,
    typer.Option("--strict", help="Scheme of the strict mode [default: the scheme of most gold tags]."),
]
SplitsOption = Annotated[
    list[str] | None,
    typer.Option("--split", help="Split to evaluate: dev, test or train; may be repeated [default: dev and test]."),
]
QuantizedOption = Annotated[bool, typer.Option("--quantized", help="Use quantized/ (INT8) in place of the FP32 model.")]
FP32KernelsOption = Annotated[
    Literal["auto", "torch"],
    typer.Option(
        "--fp32-kernels", help="Library of FP32 matrix products: the fastest one that is installed, or PyTorch's own."
    ),
]
AllowMissingWeightsOption = Annotated[
    bool,
    typer.Option("--allow-missing-weights", help="Take random weights for those that the model's files lack."),
]
TrustRemoteCodeOption = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code", help="Run the code that comes with a model; use this only for models that you trust."
    ),
]
DecodingOption = Annotated[
    Literal["", "viterbi", "argmax"],
    typer.Option(
        "--decoding",
        metavar="<viterbi|argmax>",
        help="Tags of a sentence: the best sequence that the scheme allows, or each word's best tag, as in run_ner.py "
        "[default: viterbi in train, else as the model was trained].",
        show_default=False,
    ),
]
ModelDirOption = Annotated[
    str | None,
    typer.Option(
        "--model-dir",
        help="Fine-tuned model in place of the workspace's: a directory, or a name on the Hub.",
        show_default=False,
    ),
]
TokenizerOption = Annotated[
    str,
    typer.Option(
        "--tokenizer",
        help="How running text is cut into tokens: characters, words, white, or spacy:LANGUAGE "
        "[default: characters; for a model, as its data were cut]. Parts of words: characters:'s,l'",
        show_default=False,
    ),
]
AllowStaleOption = Annotated[
    bool, typer.Option("--allow-stale", help="Use a model that was made from files that have changed since.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Run even if nothing has changed.")]


def options_for(options: type[OptionsType], values: Mapping[str, Any]) -> OptionsType:
    """An object of a dataclass from those of `values` that it has; the rest are its defaults."""
    names = [option.name for option in fields(options)]  # type: ignore[arg-type]
    return options(**{name: values[name] for name in names if name in values})


def check_split(name: str) -> None:
    """Check a value of `--split`.

    Raises:
        InvalidOption: there is no such split.
    """
    if name not in SPLITS:
        dev = " The validation split is dev." if name.startswith("val") else ""
        raise InvalidOption(f"--split {name}: no such split", f"Splits: {', '.join(SPLITS)}.{dev}")


def names_data(values: Mapping[str, Any]) -> bool:
    """Whether these option values name data: a recipe, files or a data set."""
    return any(values.get(name) for name in NAMING_OPTIONS)
