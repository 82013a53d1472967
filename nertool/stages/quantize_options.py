"""Options of `quantize`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import typer

from nertool.errors import InvalidOption
from nertool.stages.model_options import ModelOptions
from nertool.stages.options import ForceOption, SeedOption
from nertool.workspace.option_values import refuse_unused


@dataclass(frozen=True)
class Options(ModelOptions):
    """Options of `quantize`."""

    alone = ("allow_stale",)
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Static and quantization-aware": (
            *("observer", "percentile", "calibration_samples", "qat_epochs", "qat_learning_rate"),
        ),
        "Search": ("criterion", "max_trials", "timeout"),
        **ModelOptions.groups,
    }

    backend: Annotated[
        Literal["inc", "onnx"],
        typer.Option(
            "--backend",
            help="Backend: Neural Compressor with PyTorch, or ONNX Runtime, which is faster and which export needs.",
        ),
    ] = "inc"
    approach: Annotated[
        Literal["dynamic", "static", "qat", "auto", "none"],
        typer.Option(
            "--approach",
            "--quantization-approach",
            help="Ranges of activations: found as the model tags (dynamic), once on sentences of train (static), or by "
            "more training (qat; inc only). auto tries all of them and keeps the smallest and fastest that will do. "
            "none: a graph in FP32 (onnx only).",
        ),
    ] = "dynamic"
    ranges: Annotated[
        Literal["row", "tensor"],
        typer.Option(
            "--ranges", help="Ranges of --approach dynamic: one for each sub-word (row; onnx only), or one for a batch."
        ),
    ] = "row"
    observer: Annotated[
        Literal["mse", "minmax", "percentile"],
        typer.Option(
            "--observer",
            help="How static finds ranges: by the least squared error, the extremes, or a percentile (onnx only).",
        ),
    ] = "mse"
    percentile: Annotated[
        float,
        typer.Option(
            "--percentile",
            min=50,
            max=100,
            help="Per cent of the activations inside a range, for --observer percentile.",
        ),
    ] = 99.99
    qat_epochs: Annotated[
        float, typer.Option("--qat-epochs", min=0, help="Passes over train (epochs) of --approach qat, such as 0.5.")
    ] = 2.0
    qat_learning_rate: Annotated[
        float | None,
        typer.Option(
            "--qat-learning-rate",
            min=0,
            help="First learning rate of --approach qat [default: the training's rate, else 5e-5].",
        ),
    ] = None
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance",
            "--tolerance-criterion",
            "--perf-tol",
            min=0,
            max=0.99,
            help="Largest loss of dev F1 that is allowed.",
        ),
    ] = 0.01
    criterion: Annotated[
        Literal["relative", "absolute", "bound"],
        typer.Option(
            "--criterion",
            help="What --tolerance is: a fraction of the FP32 model's F1, a difference in F1, or a fraction that the "
            "upper 95 % bound of the loss must not exceed.",
        ),
    ] = "relative"
    portable: Annotated[
        bool,
        typer.Option("--portable", help="Weights of 7 bits, which are right on processors without VNNI too."),
    ] = False
    max_trials: Annotated[int, typer.Option("--max-trials", min=1, help="Maximum number of trials.")] = 20
    timeout: Annotated[
        int, typer.Option("--timeout", min=0, help="Seconds after which no further trial begins; 0: no limit.")
    ] = 0
    calibration_samples: Annotated[
        int,
        typer.Option(
            "--calibration-samples",
            "--num-calibration-samples",
            min=1,
            help="Number of sentences of train that calibration runs on.",
        ),
    ] = 128
    seed: SeedOption = 1
    force: ForceOption = False

    def __post_init__(self) -> None:
        """Refuse values that make no sense, and options that do not go together."""
        super().__post_init__()
        if self.backend == "onnx" and self.approach == "qat":
            raise InvalidOption("--approach qat: only Neural Compressor trains", "Take --backend inc.")
        if self.backend == "inc" and self.approach == "none":
            raise InvalidOption("--approach none: only ONNX Runtime has graphs in FP32", "Take --backend onnx.")
        if self.backend == "inc" and self.observer == "percentile":
            raise InvalidOption(
                "--observer percentile: Neural Compressor has no such observer", "Take mse, minmax, or --backend onnx."
            )
        if self.qat_epochs <= 0:
            raise InvalidOption(
                "--qat-epochs 0: nothing would be trained", "Take a part of an epoch, like 0.25, or more."
            )
        if "qat" not in self.approaches:
            refuse_unused(self, ("qat_epochs", "qat_learning_rate"), "is for --approach qat")
        if self.approach == "none":
            refuse_unused(self, ("portable",), "is for INT8, and --approach none stays in FP32")
        if self.approach in ("dynamic", "none"):
            refuse_unused(self, ("observer",), "is for --approach static")
        if "dynamic" not in self.approaches:
            refuse_unused(self, ("ranges",), "is for --approach dynamic")
        if self.observer != "percentile":
            refuse_unused(self, ("percentile",), "is for --observer percentile", "Give both, or none.")

    @property
    def approaches(self) -> list[str]:
        """Those that are tried, from cheap to dear."""
        if self.approach != "auto":
            return [self.approach]
        return ["dynamic", "static", "qat"] if self.backend == "inc" else ["dynamic", "static"]
