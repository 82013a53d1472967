"""run_ner.py's spellings: every field of its argument classes works, has no effect, or is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from helpers import commands

from nertool.cli.main import main
from nertool.cli.run_ner_names import NO_EFFECT, translate
from nertool.errors import InvalidOption
from nertool.training import trainer_arguments

MODEL_ARGUMENTS = (
    *("model_name_or_path", "config_name", "tokenizer_name", "cache_dir", "model_revision", "token"),
    *("trust_remote_code", "ignore_mismatched_sizes", "use_auth_token"),
)
DATA_ARGUMENTS = (
    *("task_name", "dataset_name", "dataset_config_name", "train_file", "validation_file", "test_file"),
    *("text_column_name", "label_column_name", "overwrite_cache", "preprocessing_num_workers", "max_seq_length"),
    *("pad_to_max_length", "max_train_samples", "max_eval_samples", "max_predict_samples", "label_all_tokens"),
    "return_entity_level_metrics",
)
COMMANDS = commands()
TRAIN = COMMANDS["train"].params


def spellings(command: str) -> set[str]:
    """Long options of a command, without dashes and with underscores."""
    options = {option for parameter in COMMANDS[command].params for option in parameter.opts if option[:2] == "--"}
    return {option[2:].replace("-", "_") for option in options}


@pytest.mark.parametrize("name", [*MODEL_ARGUMENTS, *DATA_ARGUMENTS])
def test_every_argument_of_run_ner_is_an_option_of_run_or_has_no_effect(name: str) -> None:
    assert name in spellings("run") or name in NO_EFFECT


def test_underscores_and_values_of_flags_are_taken() -> None:
    given = [
        "--model_name_or_path",
        "a_b",
        "--batch_size=4",
        "--push_to_hub",
        "True",
        "--packing",
        "False",
        "-w",
        "x_y",
    ]
    assert translate(given, TRAIN) == [
        *("--model-name-or-path", "a_b", "--batch-size=4", "--push-to-hub"),
        *("--no-packing", "-w", "x_y"),
    ]


def test_a_short_option_may_have_an_equals_sign() -> None:
    assert translate(["-w=a b", "-m=x=y", "-q", "-wc"], TRAIN) == ["-w", "a b", "-m", "x=y", "-q", "-wc"]


@pytest.mark.parametrize("words", ["-w --force", "-w -q", "--model -w x", "--model --num_epochs=1", "--seed", "-w"])
def test_an_option_is_no_value_of_another(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["train", *words.split()])
    assert (end.value.code, os.listdir()) == (2, [])
    assert f"Invalid value for '{words.split()[0]}': it takes a value, and " in capsys.readouterr().err


def test_half_precision_is_an_option() -> None:
    assert translate(["--bf16"], TRAIN) == ["--precision", "bf16"]
    assert translate(["--fp16", "False", "--bf16", "True"], TRAIN) == ["--precision", "bf16"]


def test_what_has_no_effect_is_left_out_with_its_value() -> None:
    given = ["--do_train", "--do_eval", "True", "--per_device_eval_batch_size", "8", "--seed", "3", "--disable_tqdm"]
    assert translate(given, TRAIN) == ["--seed", "3"]


@pytest.mark.model
@pytest.mark.parametrize(
    "name", ["resume_from_checkpoint", "logging_dir", "greater_is_better", "per_gpu_eval_batch_size"]
)
def test_an_argument_that_the_trainer_would_not_heed_is_told(name: str) -> None:
    assert translate([f"--{name}", "x", "--seed", "3"], TRAIN) == ["--seed", "3"]
    with pytest.raises(InvalidOption, match=f"--set {name}: there is nothing to set"):
        trainer_arguments.parse([f"{name}=x"])


def test_behind_two_dashes_nothing_is_translated() -> None:
    assert translate(["--", "--do_train"], TRAIN) == ["--", "--do_train"]


@pytest.mark.model
def test_other_arguments_of_the_trainer_are_settings() -> None:
    given = ["--lr_scheduler_type", "cosine", "--adam_beta2=0.9", "--full_determinism"]
    expected = ["--set", "lr_scheduler_type=cosine", "--set", "adam_beta2=0.9", "--set", "full_determinism=true"]
    assert translate(given, TRAIN) == expected
    assert translate(["--nonsense_x", "1"], TRAIN) == ["--nonsense_x", "1"]


@pytest.mark.model
def test_every_argument_of_the_trainer_is_an_option_a_setting_refused_or_has_no_effect() -> None:
    own = spellings("train")
    for name in trainer_arguments.argument_types():
        if name in own or name in (*NO_EFFECT, *trainer_arguments.UNFIT, "bf16", "fp16"):
            continue
        try:
            trainer_arguments.parse([f"{name}=null"])
        except InvalidOption as error:
            reasons = ("this is no", "nertool cannot train so")
            assert any(reason in error.message for reason in reasons) or error.hint.startswith("Take --"), (
                name,
                error.message,
            )


def test_options_of_the_quantization_scripts_work_or_are_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in the READMEs of Intel's run_ner.py; the first spelling is that of optimum, the second of LPOT."""
    optimum = ["--apply_quantization", "--quantization_approach", "static", "--num_calibration_samples", "50"]
    optimum += ["--tolerance_criterion", "0.03", "--verify_loading"]
    lpot = ["--tune", "--quantization_approach", "static", "--perf_tol=0.03", "--num_calibration_samples", "50"]
    for given, noted in ((optimum, ["apply_quantization", "verify_loading"]), (lpot, ["tune"])):
        with pytest.raises(SystemExit) as end:
            main(["quantize", "--print-config", "--json", "-w", str(tmp_path / "w"), *given])
        out, err = capsys.readouterr()
        values = {option: row["value"] for option, row in json.loads(out).items()}
        assert end.value.code == 0
        assert (values["approach"], values["tolerance"], values["calibration-samples"]) == ("static", 0.03, 50)
        assert err.count("no effect:") == 1 and all(name in err for name in noted)


def test_a_file_of_run_ner_is_taken_with_one_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"do_train": True, "do_eval": True, "remove_unused_columns": False, "seed": 3}))
    with pytest.raises(SystemExit) as end:
        main(["train", "--print-config", "--json", "--config", str(path), "-w", str(tmp_path / "w")])
    out, err = capsys.readouterr()
    assert end.value.code == 0 and json.loads(out)["seed"]["value"] == 3
    assert err.count("no effect:") == 1
    assert all(name in err for name in ("do_train", "do_eval", "remove_unused_columns"))
