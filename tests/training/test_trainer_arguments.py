"""The Trainer's arguments: which options stand for them."""

from __future__ import annotations

from dataclasses import fields
from typing import get_args, get_type_hints

import pytest

from nertool.stages import train
from nertool.training import trainer_arguments

pytest.importorskip("transformers")


def test_an_option_that_stands_for_an_argument_has_the_flag_that_an_error_names() -> None:
    hints = get_type_hints(train.Options, include_extras=True)
    declared = {}
    for field in fields(train.Options):
        option = get_args(hints[field.name])[-1]
        declared[field.name] = (option.default, *option.param_decls)  # typer takes the first flag for a default
    options = trainer_arguments.HANDLED | {name: option for option, name in trainer_arguments.OPTIONS.items()}
    for argument, flag in trainer_arguments.option_flags().items():
        assert flag.split()[0] in declared[options[argument]], argument


def test_every_option_that_stands_for_an_argument_reaches_it() -> None:
    values = trainer_arguments.from_options(train.Options(batch_size=7, num_epochs=2.5, compile=True))
    assert values["per_device_train_batch_size"] == 7
    assert values["num_train_epochs"] == 2.5
    assert values["torch_compile"] is True
    assert set(values) - {"warmup_ratio"} <= set(trainer_arguments.argument_types())
