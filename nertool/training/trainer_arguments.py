"""The Trainer's own arguments: those that options stand for, and any other by its name."""

from __future__ import annotations

import difflib
import json
import types
from collections.abc import Iterable, Mapping
from dataclasses import fields
from enum import Enum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from nertool.errors import InvalidOption

if TYPE_CHECKING:
    from transformers import TrainingArguments

OPTIONS = {
    "output_dir": "--output-dir",
    "overwrite_output_dir": "--overwrite-output-dir",
    "per_device_train_batch_size": "--batch-size",
    "num_train_epochs": "--num-epochs",
    "learning_rate": "--learning-rate",
    "weight_decay": "--weight-decay",
    "warmup_ratio": "--warmup-ratio",
    "gradient_accumulation_steps": "--gradient-accumulation-steps",
    "gradient_checkpointing": "--gradient-checkpointing",
    "save_steps": "--save-steps",
    "save_total_limit": "--save-total-limit",
    "seed": "--seed",
    "bf16": "--precision bf16",
    "fp16": "--precision fp16",
    "torch_compile": "--compile",
    "report_to": "--report-to",
    "load_best_model_at_end": "--keep",
    "push_to_hub": "--push-to-hub",
    "hub_model_id": "--hub-model-id",
}
"""Arguments that have an option of their own."""
FIXED = {
    "per_device_eval_batch_size": "dev is scored in batches of like length, and only predictions are kept",
    "eval_accumulation_steps": "dev is scored in batches of like length, and only predictions are kept",
    "metric_for_best_model": "the best epoch is that with the best F1 on dev (accuracy for tags without types)",
    "remove_unused_columns": "the examples hold no unused columns",
    "disable_tqdm": "progress is shown on a terminal, and hidden by --quiet",
}
"""Arguments that have nothing to act on here, and why."""


@cache
def known() -> dict[str, Any]:
    """Type of every argument, by name."""
    from transformers import TrainingArguments

    hints = get_type_hints(TrainingArguments)
    return {field.name: hints[field.name] for field in fields(TrainingArguments) if field.init}


def parse(settings: Iterable[str]) -> dict[str, Any]:
    """Arguments out of `key=value` strings; values are JSON where they can be, else text.

    Raises:
        InvalidOption: no such argument, one that has an option of its own, or a value of another type.
    """
    found = {}
    for setting in settings:
        key, sign, text = setting.partition("=")
        if not sign:
            raise InvalidOption(f"--set {setting}: no value", f"Write it as --set {key}=VALUE")
        found[key] = _checked(key, _value(text))
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False, "None": None}.get(text, text)


def _checked(key: str, value: Any) -> Any:
    if key in OPTIONS:
        raise InvalidOption(f"--set {key}: this has an option of its own", f"Take {OPTIONS[key]}")
    if key in FIXED:
        raise InvalidOption(f"--set {key}: there is nothing to set: {FIXED[key]}", "Leave it out.")
    if key not in known():
        near = difflib.get_close_matches(key, [*known(), *OPTIONS], n=1)
        hint = f"Did you mean {near[0]}?" if near else "Known keys are the fields of transformers.TrainingArguments."
        raise InvalidOption(f"--set {key}: the Trainer has no such argument", hint)
    wanted = _plain_types(known()[key])
    if isinstance(value, int) and not isinstance(value, bool) and float in wanted:
        value = float(value) if int not in wanted else value
    if str in wanted and isinstance(value, (int, float)) and not {type(value), float} & wanted:
        value = str(value)
    if wanted and type(value) not in wanted:
        names = " or ".join(sorted("null" if kind is type(None) else kind.__name__ for kind in wanted))
        raise InvalidOption(f"--set {key}={value!r}: this is no {names}", f"Give a value such as --set {key}=...")
    return value


def _plain_types(hint: Any) -> set[type]:
    """The JSON types that a type annotation allows; empty for any."""
    if hint is Any:
        return set()
    if get_origin(hint) in (Union, types.UnionType):
        return set().union(*map(_plain_types, get_args(hint)))
    plain = get_origin(hint) or hint
    return {str} if isinstance(plain, type) and issubclass(plain, Enum) else {plain}


def make(directory: Path, options: Mapping[str, Any], own: Mapping[str, Any]) -> TrainingArguments:
    """The Trainer's arguments.

    Args:
        options: those that stand for options.
        own: those that the user set by name; they win.

    Raises:
        InvalidOption: they do not go together, or the device cannot do what they ask for.
    """
    import torch
    from transformers import TrainingArguments

    settings = {
        "logging_steps": 10,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": torch.cuda.is_available(),
        "use_cpu": not torch.cuda.is_available() and not torch.backends.mps.is_available(),
        "optim": "adamw_torch_fused",
        "ddp_find_unused_parameters": False,
        **options,
        **own,
    }
    if "warmup_ratio" not in known():  # transformers 5 takes a ratio as a number of steps below 1
        settings.setdefault("warmup_steps", settings["warmup_ratio"])
        del settings["warmup_ratio"]
    try:
        return TrainingArguments(str(directory), **settings)
    except (ImportError, TypeError, ValueError) as error:
        named = ", ".join(f"{key}={value}" for key, value in own.items()) or "--precision, --report-to"
        raise InvalidOption(
            f"the Trainer refuses its arguments: {str(error).strip().splitlines()[0]}", f"Look at: {named}"
        ) from error


def check_report(name: str) -> None:
    """The Trainer must be able to log there.

    Raises:
        InvalidOption: it does not know it, or that is not installed.
    """
    from transformers.integrations import get_available_reporting_integrations

    there = ["none", *get_available_reporting_integrations()]
    if name not in there:
        raise InvalidOption(
            f"--report-to {name}: unknown to this transformers, or not installed",
            f"Here there is {', '.join(there)}; install what is missing, such as tensorboard.",
        )


def precision(wanted: Literal["auto", "fp32", "bf16", "fp16"]) -> Literal["fp32", "bf16", "fp16"]:
    """`fp32`, `bf16` or `fp16`: what the device computes fastest where `auto` is wanted.

    Weights, optimizer and loss stay in FP32; matrix products are made in that precision.

    Raises:
        InvalidOption: the device cannot do it.
    """
    import torch

    best: Literal["fp32", "bf16", "fp16"]
    if torch.cuda.is_available():
        best = "bf16" if torch.cuda.get_device_capability() >= (8, 0) else "fp16"
    else:
        # AVX-512's products in bf16 are slower than in FP32 (1.6 times, measured); AMX has units of its own for them.
        best = "bf16" if torch.cpu._is_amx_tile_supported() else "fp32"
    if wanted == "fp16" and not torch.cuda.is_available():
        raise InvalidOption("--precision fp16: this needs a GPU", "Take --precision bf16, fp32 or auto.")
    return best if wanted == "auto" else wanted
