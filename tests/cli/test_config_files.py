"""Configuration files: JSON and TOML, run_ner.py's keys, the Trainer's arguments; and where every value comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers import commands

from nertool.cli.main import main
from nertool.errors import InvalidOption
from nertool.training import trainer_arguments

RUN_NER = {
    "model_name_or_path": "some/model",
    "config_name": "c",
    "tokenizer_name": "t",
    "cache_dir": "/tmp/c",
    "model_revision": "v2",
    "token": "secret",
    "trust_remote_code": True,
    "ignore_mismatched_sizes": True,
    "preprocessing_num_workers": 2,
    "max_seq_length": 99,
    "pad_to_max_length": True,
    "max_train_samples": 7,
    "max_eval_samples": 8,
    "label_all_tokens": True,
    "return_entity_level_metrics": True,
    "overwrite_output_dir": True,
    "overwrite_cache": True,
    "do_train": True,
    "bf16": True,
    "adam_beta2": 0.9,
    "logging_steps": 3,
}


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Calls `nertool train --print-config --json`; returns the rows."""

    def call(*words: str) -> dict[str, dict[str, Any]]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(["train", "--print-config", "--json", "-w", str(tmp_path / "none"), *words])
        out, err = capsys.readouterr()
        assert end.value.code == 0, err
        assert not (tmp_path / "none").exists()
        found: dict[str, dict[str, Any]] = json.loads(out)
        return found

    return call


def test_every_key_of_run_ner_reaches_its_option(printed: Any, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(RUN_NER))
    rows = printed("--config", str(path))
    wanted = {
        "model": "some/model",
        "config-name": "c",
        "tokenizer-name": "t",
        "cache-dir": "/tmp/c",
        "model-revision": "v2",
        "token": "***",
        "trust-remote-code": True,
        "ignore-mismatched-sizes": True,
        "preprocessing-num-workers": 2,
        "max-length": 99,
        "pad-to-max-length": True,
        "max-train-samples": 7,
        "max-eval-samples": 8,
        "label-all-tokens": True,
        "return-entity-level-metrics": True,
        "overwrite-output-dir": True,
        "precision": "bf16",
        "set adam_beta2": "0.9",
        "set logging_steps": "3",
    }
    assert {name: rows[name]["value"] for name in wanted} == wanted
    assert {rows[name]["from"] for name in wanted} == {f"--config {path}"}


def test_every_value_says_where_it_comes_from(printed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.toml"
    path.write_text('num_train_epochs = 2\nseeds = [4, 5]\nlayers = 3\nlr_scheduler_type = "cosine"\n')
    monkeypatch.setenv("BATCH_SIZE", "16")
    rows = printed("--config", str(path), "--lr", "1e-4", "--set", "adam_beta1=0.8")
    assert rows["learning-rate"] == {"value": 1e-4, "from": "option"}
    assert rows["batch-size"] == {"value": 16, "from": "environment: BATCH_SIZE"}
    assert rows["num-epochs"] == {"value": 2.0, "from": f"--config {path}"}
    assert rows["seeds"] == {"value": "4,5", "from": f"--config {path}"}
    assert rows["layers"]["value"] == "3"
    assert rows["set lr_scheduler_type"]["from"] == f"--config {path}"
    assert rows["set adam_beta1"]["from"] == "option"
    assert rows["weight-decay"] == {"value": 0.01, "from": "default"}


AWKWARD = ("a=1", 'b="\\\\é\U0001f600\x1b # ]')
"""Values of options that may be repeated."""
NEEDED = {"score": ["file"], "export": ["--output", "directory"]}
"""What a command asks for."""


@pytest.mark.parametrize("name", sorted(commands()))
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["toml", "json"])
def test_what_is_printed_is_a_file_that_gives_the_same_run(
    form: list[str], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def printed(*words: str) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([name, *words, "--print-config"])
        out, err = capsys.readouterr()
        assert end.value.code == 0, err
        assert "\x1b" not in out
        return out

    given = [*NEEDED.get(name, [])]
    given += ["-w", str(tmp_path / "w")] if name != "score" else []
    for parameter in commands()[name].params:
        if getattr(parameter, "multiple", False):
            given += [f"{parameter.opts[0]}={value}" for value in AWKWARD]
    path = tmp_path / "printed"
    path.write_text(printed(*given, *form), encoding="utf-8")
    first, again = (json.loads(printed(*words, "--json")) for words in (given, ["--config", str(path)]))
    for rows in (first, again):
        del rows["config"]
    assert {key: row["value"] for key, row in again.items()} == {key: row["value"] for key, row in first.items()}
    assert all(row["from"] in ("default", f"--config {path}") for row in again.values())


@pytest.mark.parametrize(
    ("text", "teachers"),
    [
        ('{"teacher": ["a", "b"]}', ["a", "b"]),
        ('{"teachers": ["a"]}', ["a"]),
        ('{"teacher": "a"}', ["a"]),
        ('teacher = ["a", "b"]', ["a", "b"]),
    ],
)
def test_an_option_that_may_be_repeated_has_all_its_names(
    text: str, teachers: list[str], printed: Any, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text(text)
    assert printed("--config", str(tmp_path / "config"))["teacher"]["value"] == teachers


def test_a_key_means_the_option_of_the_command_that_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text('{"on_error": "skip"}')
    for name in ("download", "predict"):
        with pytest.raises(SystemExit):
            main([name, "--config", str(tmp_path / "config.json"), "--print-config", "--json"])
        assert json.loads(capsys.readouterr().out)["on-error"]["value"] == "skip"


@pytest.mark.parametrize(
    ("name", "content", "message", "hint"),
    [
        ("c.toml", "model = tiny", "not TOML", 'model = "minilm"'),
        ("c.toml", "seed = 2026-01-01", "seed: ", "nertool train --help"),
        ("c.json", '{"num_epochs": NaN}', "num_epochs: NaN is not one", "nertool train --help"),
        ("c.json", '{"seed": 1, "seed": 2}', "not JSON: the key seed stands there twice", "one JSON object"),
        ("c.json", '{"bf16": "maybe"}', 'bf16: "maybe" is neither true nor false', "one of them"),
        pytest.param("c.toml", "[train]\nseed = 1", "unknown key train", "has no sections", marks=pytest.mark.model),
        pytest.param(
            "c.toml", "adam_bta1 = 1", "unknown key adam_bta1", "Did you mean adam_beta1?", marks=pytest.mark.model
        ),
        ("c.json", '{"num_train_epochs": "three"}', "num_epochs: ", "nertool train --help"),
        ("c.json", '{"seed": 1.5}', "seed: ", "nertool train --help"),
        ("c.json", '{"keep": "none"}', "keep: ", "nertool train --help"),
        ("c.json", '{"lr": 1, "learning_rate": 2}', "lr and learning_rate are one option", "Leave out one"),
        pytest.param(
            "c.json", '{"teachr": []}', "unknown key teachr", "Did you mean teacher?", marks=pytest.mark.model
        ),
    ],
)
def test_a_key_or_a_value_that_makes_no_sense_is_told_in_two_lines(
    name: str, content: str, message: str, hint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SystemExit) as end:
        main(["train", "-w", str(tmp_path), "--config", str(tmp_path / name)])
    first, second = capsys.readouterr().err.splitlines()
    assert end.value.code == 1
    assert first.startswith(f"error: --config {tmp_path / name}: {message}") and hint in second


@pytest.mark.parametrize(("value", "precision"), [(True, "bf16"), ("True", "bf16"), ("false", "auto"), (None, "auto")])
def test_a_switch_of_run_ner_may_be_a_text(value: object, precision: str, printed: Any, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"bf16": value}))
    assert printed("--config", str(tmp_path / "config.json"))["precision"]["value"] == precision


def test_a_configuration_that_does_not_end_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["train", "--config", "/dev/zero"])
    assert (end.value.code, "/dev/zero: longer than 1 MiB" in capsys.readouterr().err) == (1, True)


@pytest.mark.model
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("adam_beta1=1", 1.0),
        ("logging_steps=5", 5),
        ("logging_steps=0.1", 0.1),
        ("lr_scheduler_type=cosine", "cosine"),
        ("tf32=true", True),
        ("tf32=null", None),
        ('lr_scheduler_kwargs={"num_cycles": 2}', {"num_cycles": 2}),
        ("run_name=7", "7"),
        ("data_seed=3", 3),
    ],
)
def test_the_trainers_arguments_take_values_of_their_types(setting: str, value: object) -> None:
    assert trainer_arguments.parse([setting]) == {setting.partition("=")[0]: value}


@pytest.mark.model
@pytest.mark.parametrize("setting", ["logging_steps=often", "tf32=maybe", "data_seed=1.5", "max_steps=true"])
def test_values_of_other_types_are_refused(setting: str) -> None:
    with pytest.raises(InvalidOption, match="this is no "):
        trainer_arguments.parse([setting])
