"""The Trainer's own arguments: those that options stand for, and any other by its name."""

from __future__ import annotations

import difflib
import json
import os
import types
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from enum import Enum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from nertool.errors import InvalidOption
from nertool.workspace.option_values import LARGEST_COUNT, LARGEST_NUMBER

if TYPE_CHECKING:
    from transformers import TrainingArguments

OPTIONS = {
    "batch_size": "per_device_train_batch_size",
    "num_epochs": "num_train_epochs",
    "learning_rate": "learning_rate",
    "weight_decay": "weight_decay",
    "warmup_ratio": "warmup_ratio",
    "gradient_checkpointing": "gradient_checkpointing",
    "save_steps": "save_steps",
    "save_total_limit": "save_total_limit",
    "seed": "seed",
    "compile": "torch_compile",
}
"""Options of `train` whose values are those of an argument, and the argument."""
HANDLED = {
    "output_dir": "output_dir",
    "overwrite_output_dir": "overwrite_output_dir",
    "gradient_accumulation_steps": "gradient_accumulation_steps",
    "bf16": "precision",
    "fp16": "precision",
    "report_to": "report_to",
    "load_best_model_at_end": "keep",
    "per_gpu_train_batch_size": "batch_size",
    "push_to_hub": "push_to_hub",
    "hub_model_id": "hub_model_id",
    "push_to_hub_model_id": "hub_model_id",
    "push_to_hub_organization": "hub_model_id",
    "hub_private_repo": "hub_private_repo",
    "hub_token": "token",
    "push_to_hub_token": "token",
}
"""Arguments that an option of `train` stands for in another way, and the option."""
OF_SCORING = (
    *("per_device_eval_batch_size", "per_gpu_eval_batch_size", "eval_accumulation_steps", "eval_use_gather_object"),
    *("prediction_loss_only", "batch_eval_metrics", "eval_do_concat_batches", "use_legacy_prediction_loop"),
    *("include_inputs_for_metrics", "include_for_metrics", "bf16_full_eval", "fp16_full_eval", "jit_mode_eval"),
)
"""Arguments for the Trainer's own scoring, in place of which nertool scores dev."""
OF_BATCHES = ("accelerator_config", "dispatch_batches", "split_batches", "past_index", "torch_empty_cache_steps")
"""Arguments for the Trainer's own steps, in place of which nertool cuts and takes steps."""
OF_HALF_PRECISION = ("half_precision_backend", "fp16_backend", "fp16_opt_level")
"""Arguments for Apex, in place of which PyTorch's own half precision is used."""
OF_OTHER_MACHINES = ("tpu_num_cores", "tpu_metrics_debug", "ray_scope")
"""Arguments for TPUs, and for a search on Ray."""
OF_COUNTS = ("include_tokens_per_second", "include_num_input_tokens_seen")
"""Arguments for the Trainer's own counts of sub-words."""
FIXED = {
    **dict.fromkeys(OF_SCORING, "dev is scored in batches of like length, and only predictions are kept"),
    **dict.fromkeys(OF_BATCHES, "each process takes its share of a step, in batches that nertool makes"),
    **dict.fromkeys(OF_HALF_PRECISION, "--precision chooses, and PyTorch computes"),
    **dict.fromkeys(OF_OTHER_MACHINES, "nothing runs on TPUs, or on Ray"),
    **dict.fromkeys(OF_COUNTS, "the record holds sentences and words"),
    "metric_for_best_model": "the best epoch is that with the best F1 on dev (accuracy for tags without types)",
    "greater_is_better": "the best epoch is that with the best F1 on dev (accuracy for tags without types)",
    "resume_from_checkpoint": "a killed training goes on by itself; --model DIR begins with a checkpoint's weights",
    "logging_dir": "logs of --report-to are below logs/ in the workspace",
    "hub_strategy": "the trained model is sent at the end",
    "hub_always_push": "the trained model is sent at the end",
    "label_names": "the examples hold no unused columns",
    "length_column_name": "the length of each sentence is known",
    "remove_unused_columns": "the examples hold no unused columns",
    "disable_tqdm": "progress is shown on a terminal, and hidden by --quiet",
    "do_train": "the command says what runs: nertool train",
    "do_eval": "the command says what runs: nertool evaluate",
    "do_predict": "the command says what runs: nertool evaluate scores test too",
}
"""Arguments that have nothing to act on here, and why."""
OF_SHARDS = ("fsdp", "fsdp_config", "fsdp_min_num_params", "fsdp_transformer_layer_cls_to_wrap", "deepspeed")
"""Arguments that part a model among processes."""
UNFIT = {
    **dict.fromkeys((*OF_SHARDS, "mp_parameters"), "each process trains a whole model"),
    "auto_find_batch_size": "a step is what the options say; --gradient-accumulation-steps saves memory",
    "save_only_model": "a killed training goes on from checkpoints, which need all that the Trainer keeps",
    "save_safetensors": "weights are kept as safetensors alone",
    "save_on_each_node": "all machines see one workspace",
    "use_ipex": "PyTorch's own kernels train the model",
}
"""Arguments with which nertool cannot train, and why; their defaults are taken."""
RENAMED = {"evaluation_strategy": "eval_strategy", "no_cuda": "use_cpu"}
"""Older names of arguments, and the names by which nertool knows them."""
UNFIT_OPTIMIZERS = ("lomo", "adalomo", "schedule_free")
"""How the names of optimizers begin that need training steps of their own."""


MOST = {"adam_beta1": 1, "adam_beta2": 1, "label_smoothing_factor": 1, "dataloader_num_workers": 1024}
"""Largest values of arguments for which the Trainer itself has no limit."""
BELOW_ZERO = ("max_steps", "local_rank", "past_index", "max_grad_norm")
"""Arguments in which a negative number means that there is none."""


@cache
def argument_types() -> dict[str, Any]:
    """Type of every argument, by name."""
    from transformers import TrainingArguments

    hints = get_type_hints(TrainingArguments)
    return {field.name: hints[field.name] for field in fields(TrainingArguments) if field.init}


def option_flags() -> dict[str, str]:
    """Argument -> the option that sets it, as it is written on the command line."""
    flags = {argument: _flag(option) for argument, option in HANDLED.items()}
    for option, argument in OPTIONS.items():
        flags[argument] = _flag(option)
    for name in ("bf16", "fp16"):
        flags[name] += f" {name}"
    return flags


def _flag(option: str) -> str:
    return "--" + option.replace("_", "-")


def from_options(options: object) -> dict[str, Any]:
    """The arguments that `train`'s options give, out of their fields."""
    return {argument: getattr(options, option) for option, argument in OPTIONS.items()}


def parse(settings: Iterable[str]) -> dict[str, Any]:
    """Arguments out of `key=value` strings; values are JSON where they can be, else text.

    Raises:
        InvalidOption: no such argument, one that has an option of its own, or a value of another type.
    """
    values = {}
    for setting in settings:
        key, sign, text = setting.partition("=")
        if not sign:
            raise InvalidOption(f"--set {setting}: no value", f"Write it as --set {key}=VALUE")
        key = RENAMED.get(key, key)
        _check_key(key)
        value = _converted(key, _parse_value(text))
        if key not in UNFIT:
            values[key] = value
        elif value != _default(key):
            raise InvalidOption(f"--set {setting}: nertool cannot train so: {UNFIT[key]}", "Leave it out.")
    if str(values.get("optim", "")).startswith(UNFIT_OPTIMIZERS):
        raise InvalidOption(
            f"--set optim={values['optim']}: this optimizer needs training steps of its own",
            "Take another one, such as adamw_torch or adafactor.",
        )
    return values


def _default(key: str) -> Any:
    from transformers import TrainingArguments

    return next(field.default for field in fields(TrainingArguments) if field.name == key)


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return {"True": True, "False": False, "None": None}.get(text, text)


def _check_key(key: str) -> None:
    """Refuse a key that is no argument, or that cannot be set by `--set`."""
    flags, types_by_name = option_flags(), argument_types()
    if key in flags:
        raise InvalidOption(f"--set {key}: this has an option of its own", f"Take {flags[key]}")
    if key in FIXED:
        raise InvalidOption(f"--set {key}: there is nothing to set: {FIXED[key]}", "Leave it out.")
    if key not in types_by_name:
        near = difflib.get_close_matches(key, [*types_by_name, *flags], n=1)
        hint = f"Did you mean {near[0]}?" if near else "Known keys are the fields of transformers.TrainingArguments."
        raise InvalidOption(f"--set {key}: the Trainer has no such argument", hint)


def _converted(key: str, value: Any) -> Any:
    """The value as the argument takes it: a whole number may stand for a float, a number for text."""
    if isinstance(value, int | float):
        _check_number(key, value)
    allowed = _plain_types(argument_types()[key])
    if not allowed or type(value) in allowed:
        return value
    if type(value) is int and float in allowed:
        return float(value)
    if isinstance(value, (int, float)) and str in allowed and float not in allowed:
        return str(value)
    names = " or ".join(sorted("null" if kind is type(None) else kind.__name__ for kind in allowed))
    raise InvalidOption(f"--set {key}={value!r}: this is no {names}", f"Give a value such as --set {key}=...")


def _check_number(key: str, value: float) -> None:
    """Refuse what is no number, and what only a step of the training would refuse, or never end with."""
    most = MOST.get(key, LARGEST_COUNT if isinstance(value, int) else LARGEST_NUMBER)
    if not abs(value) <= most or (value < 0 and key not in BELOW_ZERO):
        raise InvalidOption(f"--set {key}={value}: out of range", f"Write a number from 0 to {most:.10g}.")


def _plain_types(hint: Any) -> set[type]:
    """The JSON types that a type annotation allows; empty for any."""
    if hint is Any:
        return set()
    if get_origin(hint) in (Union, types.UnionType):
        return set().union(*map(_plain_types, get_args(hint)))
    plain = get_origin(hint) or hint
    return {str} if isinstance(plain, type) and issubclass(plain, Enum) else {plain}


def make(directory: Path, options: Mapping[str, Any], given: Mapping[str, Any]) -> TrainingArguments:
    """The Trainer's arguments.

    Args:
        directory: for checkpoints.
        options: values that follow from options.
        given: values that the user set by name; they win.

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
        **given,
    }
    if "warmup_ratio" not in argument_types():  # transformers 5 takes a ratio as a number of steps below 1
        settings.setdefault("warmup_steps", settings["warmup_ratio"])
        del settings["warmup_ratio"]
    # transformers takes a precision from here where none is asked for, and leaves its own behind
    os.environ["ACCELERATE_MIXED_PRECISION"] = "bf16" if settings["bf16"] else "fp16" if settings["fp16"] else "no"
    if (mode := given.get("torch_compile_mode")) and mode not in torch._inductor.list_mode_options():
        modes = ", ".join(torch._inductor.list_mode_options())
        raise InvalidOption(f"--set torch_compile_mode={mode}: there is no such mode", f"Modes: {modes}.")
    with translate_refusals(", ".join(f"{key}={value}" for key, value in given.items())):
        return TrainingArguments(str(directory), **settings)


@contextmanager
def translate_refusals(given: str = "") -> Iterator[None]:
    """Turn what the Trainer says of its arguments into an error that names those that the user set.

    Raises:
        InvalidOption: it refuses them.
    """
    try:
        yield
    except (FileNotFoundError, ImportError, LookupError, TypeError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InvalidOption(
            f"the Trainer refuses its arguments: {reason}", f"Look at: {given or '--set, --precision, --report-to'}"
        ) from error


def check_report(name: str) -> None:
    """Check that the Trainer can log to `--report-to`.

    Raises:
        InvalidOption: it does not know the name, or the package is not installed.
    """
    from transformers.integrations import get_available_reporting_integrations

    available = ["none", *get_available_reporting_integrations()]
    if name not in available:
        raise InvalidOption(
            f"--report-to {name}: unknown to this transformers, or not installed",
            f"Here there is {', '.join(available)}; install what is missing, such as tensorboard.",
        )


def precision(requested: Literal["auto", "fp32", "bf16", "fp16"]) -> Literal["fp32", "bf16", "fp16"]:
    """The precision of matrix products; for `auto` the one that the device computes fastest.

    Weights, optimizer and loss stay in FP32.

    Raises:
        InvalidOption: the device does not support it.
    """
    import torch

    if requested == "fp16" and not torch.cuda.is_available():
        raise InvalidOption("--precision fp16: this needs a GPU", "Take --precision bf16, fp32 or auto.")
    if requested != "auto":
        return requested
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.get_device_capability() >= (8, 0) else "fp16"
    # AVX-512's products in bf16 are slower than in FP32 (1.6 times, measured); AMX has units of its own for them.
    return "bf16" if torch.cpu._is_amx_tile_supported() else "fp32"
