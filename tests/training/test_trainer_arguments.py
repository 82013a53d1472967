"""The Trainer's arguments: which options stand for them."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, get_args, get_type_hints

import pytest
from helpers import snapshot

from nertool.errors import InvalidOption
from nertool.stages import train
from nertool.training import trainer_arguments
from nertool.workspace.workspace import Workspace

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


@pytest.mark.parametrize(
    "setting",
    [
        *("max_grad_norm=NaN", "max_grad_norm=Infinity", "adam_epsilon=1e300", "adam_beta1=5", "adam_beta2=-1"),
        *("dataloader_num_workers=-1", "dataloader_num_workers=99999999999999999999", "label_smoothing_factor=2"),
        *("max_steps=1e300", "max_steps=99999999999", "neftune_noise_alpha=-3", "data_seed=-1", f"x={'[' * 100_000}"),
        *("logging_steps=many", "ignore_data_skip=3", "push_to_hub_token=x", "", "x", "=3"),
    ],
)
def test_a_bad_setting_is_refused_by_its_name(setting: str) -> None:
    with pytest.raises(InvalidOption, match="^--set") as raised:
        trainer_arguments.parse([setting])
    assert raised.value.hint


@pytest.mark.parametrize(
    ("setting", "message", "hint"),
    [
        ("fsdp=full_shard", "cannot train so: each process trains a whole model", "Leave it out"),
        ("deepspeed=x.json", "cannot train so: each process trains a whole model", "Leave it out"),
        ("save_only_model=true", "goes on from checkpoints", "Leave it out"),
        ("save_safetensors=false", "safetensors alone", "Leave it out"),
        ("auto_find_batch_size=true", "a step is what the options say", "Leave it out"),
        ("optim=lomo", "steps of its own", "adamw_torch"),
        ("optim=schedule_free_adamw", "steps of its own", "adamw_torch"),
        ("output_dir=x", "has an option of its own", "--output-dir"),
        ("per_gpu_train_batch_size=3", "has an option of its own", "--batch-size"),
        ("push_to_hub_organization=me", "has an option of its own", "--hub-model-id"),
        ("accelerator_config={}", "there is nothing to set", "Leave it out"),
        ("past_index=0", "there is nothing to set", "Leave it out"),
    ],
)
def test_a_setting_with_which_training_is_not_what_it_says_is_refused(setting: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidOption, match=message) as raised:
        trainer_arguments.parse([setting])
    assert hint in raised.value.hint


def test_the_defaults_of_such_settings_are_taken_and_older_names_are_read() -> None:
    defaults = ["fsdp=", "deepspeed=null", "save_safetensors=true", "auto_find_batch_size=false"]
    assert trainer_arguments.parse([*defaults, "evaluation_strategy=no"]) == {"eval_strategy": "no"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"settings": ["eval_steps=3"]}, "--set eval_steps: dev is scored after each epoch"),
        ({"settings": ["warmup_steps=3"], "warmup_ratio": 0.1}, "--warmup-ratio does not go with --set warmup_steps"),
        ({"settings": ["group_by_length=true"], "max_tokens_per_batch": 100}, "--max-tokens-per-batch makes steps of"),
        ({"settings": ["evaluation_strategy=no"], "patience": 1}, "--patience needs dev scores"),
        ({"settings": ["torch_compile_mode=none"]}, "there is no such mode"),
        ({"settings": ['gradient_checkpointing_kwargs={"debug": true}']}, "is for --gradient-checkpointing"),
        ({"settings": ["dataloader_persistent_workers=true"]}, "persistent_workers option needs num_workers"),
        ({"settings": ["optim=adamw_torch", "optim_args=foo"]}, "the Trainer refuses its arguments"),
    ],
)
def test_a_setting_that_would_do_nothing_beside_another_is_refused(
    options: dict[str, Any], message: str, ready: Workspace, tiny_model: str
) -> None:
    if "group_by_length" in str(options) and "group_by_length" not in trainer_arguments.argument_types():
        options["settings"] = ["train_sampling_strategy=group_by_length"]
    with pytest.raises(InvalidOption, match=message):
        train.run(ready, train.Options(model=tiny_model, **options))
    assert not ready.under_way("train").path.exists()


@pytest.mark.parametrize("setting", ["adam_beta1=1", "lr_scheduler_kwargs=x", "torch_compile_backend=x", "log_level=x"])
def test_a_setting_that_the_trainer_refuses_ends_the_training_before_its_first_step(
    setting: str, ready: Workspace, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(ready.path)
    monkeypatch.delenv("ACCELERATE_DYNAMO_BACKEND", raising=False)
    with pytest.raises(InvalidOption, match="the Trainer refuses its arguments: "):
        train.run(ready, train.Options(model=tiny_model, settings=[setting]))
    assert snapshot(ready.path) == before


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"use_reentrent": False}, "use_reentrent"),
        ({"use_reentrant": False, "preserve": True}, "preserve"),
        ({"use_reentrant": False, "determinism_check": "none at all"}, "determinism_check"),
        ({"debug": True}, "use_reentrant=False"),
    ],
)
def test_settings_that_gradient_checkpointing_refuses_end_the_training_before_its_first_step(
    settings: dict[str, object], reason: str, ready: Workspace, tiny_model: str
) -> None:
    before = snapshot(ready.path)
    given = [f"gradient_checkpointing_kwargs={json.dumps(settings)}"]
    with pytest.raises(InvalidOption, match=f"the Trainer refuses its arguments: .*{reason}"):
        train.run(ready, train.Options(model=tiny_model, gradient_checkpointing=True, settings=given))
    assert snapshot(ready.path) == before


@pytest.mark.parametrize("settings", [["eval_strategy=no"], ["eval_strategy=steps", "eval_steps=1000"]])
@pytest.mark.parametrize("keep", ["best", "last"])
def test_dev_is_scored_at_the_end_whatever_the_settings_are(
    settings: list[str], keep: Any, ready: Workspace, tiny_model: str
) -> None:
    options = train.Options(model=tiny_model, settings=settings, keep=keep, num_epochs=2.0)
    facts = train.run(ready, options).facts
    assert [row["epoch"] for row in facts["history"]] == [2.0]
    assert facts["dev_f1"] == facts["history"][0]["dev_f1"]
