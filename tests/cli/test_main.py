"""The command line: help, errors in two lines, where values come from, clean standard output, pipes."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
import typer
from faults.forks import Forks
from helpers import commands, fill, needs_inc, stamps
from typer.testing import CliRunner

from nertool import chain
from nertool.cli.commands import Common
from nertool.cli.main import app, main
from nertool.stages import download, evaluate, labels, predict, preprocess, quantize, train
from nertool.workspace.names import OUTPUTS
from nertool.workspace.workspace import Workspace

STAGES = {
    module.__name__.rpartition(".")[2]: module
    for module in (download, preprocess, labels, train, evaluate, quantize, predict)
}
COMMANDS = commands()
README_CONFIG = {
    "data_dir": ".",
    "labels": "./labels.txt",
    "model_name_or_path": "...",
    "output_dir": "germeval-model",
    "max_seq_length": 128,
    "num_train_epochs": 3,
    "per_device_train_batch_size": 32,
    "save_steps": 750,
    "seed": 1,
    "do_train": True,
    "do_eval": True,
    "do_predict": True,
}


class Cli:
    """Runs commands in this process; `out` and `err` are what the last one printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys, self.monkeypatch = capsys, monkeypatch
        self.out = self.err = ""

    def __call__(self, *arguments: str | Path, code: int = 0) -> str:
        """Run a command that ends with `code`; returns its stdout."""
        words = [str(argument) for argument in arguments]
        self.monkeypatch.setattr(sys, "argv", ["nertool", *words])
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(words)
        self.out, self.err = self.capsys.readouterr()
        assert end.value.code == code, self.err
        return self.out

    def json(self, *arguments: str | Path) -> Any:
        return json.loads(self(*arguments, "--json"))

    def error(self, *arguments: str | Path) -> tuple[str, str]:
        """The two lines of a command that fails."""
        assert self(*arguments, code=1) == ""
        message, hint = self.err.splitlines()
        assert message.startswith("error: ") and hint
        return message, hint


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    return Cli(capsys, monkeypatch)


# -- help ------------------------------------------------------------------------------------------


def test_every_stage_is_a_command_and_so_is_what_changes_nothing() -> None:
    assert set(COMMANDS) == {*OUTPUTS, "check", "score", "status", "run", "serve", "export"}
    shown = CliRunner().invoke(app, ["--help"], prog_name="nertool").stdout
    listed = [line.split()[0] for line in shown.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()]
    assert listed == list(COMMANDS)
    assert "..." not in shown.partition("Commands:")[2], "no line is cut short"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_for_every_option(name: str) -> None:
    shown = "".join(CliRunner().invoke(app, [name, "--help"]).stdout.split())
    assert "".join(COMMANDS[name].help.split()) in shown and len(COMMANDS[name].help) > 20
    for parameter in COMMANDS[name].params:
        if getattr(parameter, "hidden", False):
            continue  # an old spelling
        listed = parameter.name if parameter.param_type_name == "argument" else parameter.opts[-1]
        assert listed in shown
        assert "".join(parameter.help.split()) in shown and len(parameter.help) > 10, f"{listed} says what it is for"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_the_page_that_documents_the_command(name: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"]).stdout.rstrip()
    assert re.search(r"Docs: docs/[a-z-]+\.md$", shown)


@pytest.mark.parametrize("name", [*STAGES, "run"])
def test_options_stand_in_groups_that_name_existing_fields(name: str) -> None:
    options = chain.Options if name == "run" else STAGES[name].Options
    names = {field.name for field in fields(options)}
    grouped = [field for group in options.groups.values() for field in group]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) <= names
    if name in ("train", "run"):
        assert len(names - set(grouped)) <= 12, "the options that people need first"


def test_run_has_the_options_of_the_chain_alone(cli: Cli, tmp_path: Path) -> None:
    names = {parameter.name for parameter in COMMANDS["run"].params}
    own = {name: {field.name for field in fields(module.Options)} for name, module in STAGES.items()}
    for stage, module in STAGES.items():
        alone = set(module.Options.alone)
        assert alone <= own[stage]
        of_others = {
            name for other in STAGES if other != stage for name in own[other] - set(STAGES[other].Options.alone)
        }
        assert not names & (alone - of_others)
    for option in ("--columns=x", "--interactive", "--output=x", "--resume", "--language=de", "--engine=ray"):
        cli("run", "sample", option, "-w", tmp_path / "w", code=2)
        assert "No such option" in cli.err and not (tmp_path / "w").exists()


@pytest.mark.parametrize("name", STAGES)
def test_the_options_of_a_command_are_the_fields_of_the_stage(name: str) -> None:
    """Guard: an option is declared once, in the stage, and its default is that of the Python function."""
    parameters = {parameter.name: parameter for parameter in COMMANDS[name].params}
    defaults = {field.name: field.default for field in fields(STAGES[name].Options)}
    assert set(parameters) == {*defaults, *(field.name for field in fields(Common))}
    for field, default in defaults.items():
        assert parameters[field].required == (default is MISSING)
        if default is not MISSING:
            assert parameters[field].default == default, field


def test_help_shows_defaults_and_environment_variables() -> None:
    shown = " ".join(CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "80"}).stdout.split())
    for variable, default in {
        "BERT_MODEL": "minilm",
        "MAX_LENGTH": "128",
        "OUTPUT_DIR": "model",
        "BATCH_SIZE": "32",
        "NUM_EPOCHS": "3.0",
        "SAVE_STEPS": "750",
        "SEED": "1",
        "LEARNING_RATE": "5e-05",
    }.items():
        assert f"[env var: {variable}; default: {default}" in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_help_speaks_of_values_as_the_pages_do(name: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "80"}).stdout
    assert not re.findall(r"<(?:int|float|str|list)\b[^>]*>", shown)
    assert "-w, --workspace <text>" in shown


def test_help_is_instant_as_it_imports_nothing_heavy() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "nertool", "train", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert {"nertool", "typer"} <= imported
    heavy = {"torch", "transformers", "datasets", "tokenizers", "numpy", "safetensors", "accelerate", "optimum"}
    assert not imported & {*heavy, "requests", "filelock", "neural_compressor"}


def test_the_list_of_commands_loads_none_of_them() -> None:
    code = "import sys; from nertool.cli.main import main; sys.argv[1:] = ['--help']\ntry: main()\nexcept SystemExit: "
    code += "print([name for name in sys.modules if name.startswith(('nertool.stages', 'nertool.sources'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n[]\n")


@pytest.mark.parametrize("module", ["typer", "nertool.progress", "rich.console", "nertool.cli.commands"])
def test_an_interrupt_while_packages_load_ends_without_a_traceback(module: str, tmp_path: Path) -> None:
    interrupt = f"lambda event, found: event == 'import' and found[0] == {module!r} and os.kill(os.getpid(), 2)"
    before = f"import os, signal, sys; signal.signal(2, signal.default_int_handler); sys.addaudithook({interrupt})"
    code = f"{before}; from nertool.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "labels", "-w", tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_the_version_is_that_of_the_package(cli: Cli) -> None:
    from importlib.metadata import version

    assert cli("--version") == f"nertool {version('nertool')}\n"


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "missing", "next_command"),
    [
        (["preprocess"], "train.txt.tmp is missing", "nertool download RECIPE"),
        (["labels"], "train.txt is missing", "nertool preprocess"),
        (["train"], "train.txt is missing", "nertool preprocess"),
        (["evaluate"], "dev.txt is missing", "nertool preprocess"),
        (["evaluate", "--split", "test"], "test.txt is missing", "nertool preprocess"),
        pytest.param(["quantize"], "model/config.json is missing", "nertool train", marks=needs_inc),
        (["predict"], "model/config.json is missing", "nertool train"),
        (["predict", "--quantized"], "quantized/config.json is missing", "nertool quantize"),
        (["predict", "--split", "dev"], "dev.txt is missing", "nertool preprocess"),
        (["run"], "holds no data", "nertool run RECIPE"),
    ],
)
def test_what_is_missing_is_told_with_the_command_that_makes_it(
    command: list[str], missing: str, next_command: str, cli: Cli, tmp_path: Path
) -> None:
    message, hint = cli.error(*command, "-w", tmp_path / "none")
    assert missing in message and str(tmp_path / "none") in message
    assert next_command in hint and f"-w {tmp_path / 'none'}" in hint
    assert not (tmp_path / "none").exists()


def test_a_split_that_the_data_lack_is_not_looked_for_where_it_cannot_come_from(
    cli: Cli, workspace: Workspace, tiny_model: str, tmp_path: Path
) -> None:
    lines = (workspace / "train.txt.tmp").read_text()
    (tmp_path / "my train").write_text(lines)
    cli("download", "--train-file", tmp_path / "my train", "-w", tmp_path / "own")
    assert cli.error("evaluate", "-w", tmp_path / "own")[1].startswith(
        "The data have no dev; add it: nertool download "
    )
    cli("preprocess", "--model", tiny_model, "-w", tmp_path / "own")
    hint = cli.error("predict", "--split", "test", "-w", tmp_path / "own")[1]
    (tmp_path / "FILE").write_text(lines)
    words = shlex.split(hint.partition("nertool ")[2].replace("FILE", shlex.quote(str(tmp_path / "FILE"))))
    cli(*words)
    assert cli.error("predict", "--split", "test", "-w", tmp_path / "own")[1].startswith("Run: nertool preprocess")
    (tmp_path / "by hand").mkdir()
    (tmp_path / "by hand" / "train.txt").write_text(lines)
    for command in (["evaluate"], ["predict", "--split", "dev"]):
        assert (
            cli.error(*command, "-w", tmp_path / "by hand")[1] == "The data have no dev; add it: write that file, too"
        )


def test_a_hint_leaves_out_the_workspace_where_it_is_the_usual_one(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.error("labels") == ("error: workspace/train.txt is missing", "Run: nertool preprocess")


def test_the_status_of_a_workspace_that_is_not_there_says_so(cli: Cli, tmp_path: Path) -> None:
    assert "not run" in cli("status", "-w", tmp_path / "misspelt")
    assert cli.err == f"there is no directory {tmp_path / 'misspelt'} yet\n"


def test_an_unknown_recipe_names_those_there_are(cli: Cli, tmp_path: Path) -> None:
    message, hint = cli.error("download", "germeval", "-w", tmp_path)
    assert (message, hint[:29]) == ("error: no recipe 'germeval'", "Did you mean germeval2014? Re")
    assert all(recipe in hint for recipe in ("sample", "germeval2014", "wnut17", "conll2003"))


def test_a_file_or_a_folder_in_the_place_of_a_recipe_is_told_its_option(cli: Cli, workspace: Workspace) -> None:
    file = workspace / "train.txt.tmp"
    assert cli.error("run", file, "-w", workspace.path)[1].endswith(f" --train-file {file}")
    assert cli.error("download", workspace.path, "-w", workspace.path)[1].endswith(f" --dataset {workspace.path}")


@pytest.mark.parametrize(
    ("words", "commands"),
    [("train --train_file x", "download, run"), ("predict --precision x", "train, evaluate, run"), ("labels --o", "")],
)
def test_an_option_of_other_commands_is_told_theirs(words: str, commands: str, cli: Cli) -> None:
    cli(*words.split(), code=2)
    assert f"No such option: {words.split()[1]}{f' (an option of: {commands})' if commands else ''}" in cli.err


def test_the_data_directory_of_run_ner_is_the_workspace(cli: Cli, trained: Path) -> None:
    assert cli.json("status", "--data_dir", trained)["train"]["state"] == "fresh"


def test_the_labels_of_run_ner_are_those_of_the_workspace(cli: Cli, trained: Path, tmp_path: Path) -> None:
    cli("status", "--data_dir", trained, "--labels", f"{trained}/labels.txt")
    assert "no effect: labels (labels.txt of the workspace is taken)" in cli.err
    message, hint = cli.error("status", "--labels=other.txt", "--data_dir", trained)
    assert message.endswith(f"--labels other.txt: labels are read from {trained}/labels.txt")
    assert hint == f"Copy them: cp other.txt {trained}/labels.txt"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("nertool tr", ["train"]),
        ("nertool train --max", ["--max-length", "--max-train-samples"]),
        ("nertool download wn", ["wnut17"]),
        ("nertool run wn", ["wnut17"]),
        ("nertool quantize --backend ", ["inc", "onnx"]),
        ("nertool train --set --as-readme --ke", ["--keep"]),
    ],
)
def test_a_shell_completes_commands_options_values_and_recipes(
    line: str, wanted: list[str], cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_NERTOOL_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
    assert set(wanted) <= set(cli().split())


def test_a_file_of_options_without_its_option_is_told_it(cli: Cli) -> None:
    cli("train", "config.json", code=2)
    assert "(a file of options is named by: --config config.json)" in cli.err


def test_a_place_without_its_option_is_told_it(cli: Cli, tmp_path: Path) -> None:
    cli("status", tmp_path, code=2)
    assert f"(a workspace is named by: -w {tmp_path})" in " ".join(cli.err.split())
    (tmp_path / "train.conll").touch()
    cli("train", tmp_path / "train.conll", code=2)
    assert f"nertool download --train-file {tmp_path / 'train.conll'})" in " ".join(cli.err.split())
    cli("score", "gold.txt", "predicted.txt", code=2)
    assert "(a second file, of predictions, is named by: --predicted FILE)" in " ".join(cli.err.split())


def test_an_option_of_other_commands_leaves_the_one_that_begins_so(cli: Cli) -> None:
    cli("predict", "--model", "x", code=2)
    assert "(an option of: preprocess, train, check, run) (Possible options: --model-dir)" in " ".join(cli.err.split())


def test_an_option_before_the_command_is_told_its_place(cli: Cli, tmp_path: Path) -> None:
    cli("-w", tmp_path, "status", code=2)
    assert "No such option: -w before the command. Options of a command stand behind its name." in cli.err


def test_a_hint_names_the_default_workspace_where_the_environment_names_another(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NERTOOL_WORKSPACE", "other")
    assert cli.error("labels", "-w", "workspace")[1] == "Run: nertool preprocess -w workspace"


def test_a_value_that_is_no_choice_is_told_without_the_words_of_pydantic(cli: Cli) -> None:
    cli("quantize", "--backend", "openvino", code=2)
    assert "Invalid value for '--backend': 'openvino' is not one of 'inc', 'onnx'" in cli.err


def test_an_unknown_model_is_told_by_both_stages_that_load_one(
    cli: Cli, workspace: Workspace, tiny_model: str, tmp_path: Path
) -> None:
    cli("preprocess", "-w", workspace.path, "--model", "nowhere", code=1)
    waiting, message, _ = cli.err.splitlines()
    assert waiting == "there is no directory nowhere here: the hub is asked"  # which may take minutes
    assert "--model nowhere" in message
    fill(workspace, tiny_model, "labels")
    (tmp_path / "empty").mkdir()
    assert "/empty" in cli.error("train", "-w", workspace.path, "--model", tmp_path / "empty")[0]
    assert not (workspace / "model").exists()


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/b", "raw", "evaluation", "labels.txt", "dev.txt.tmp", ".hidden", ".."]
)
def test_an_output_directory_that_is_not_the_models_own_is_refused(name: str, cli: Cli, copy: Workspace) -> None:
    before = stamps(copy.path)
    assert cli.error("train", "-w", copy.path, "--output-dir", name)[0].startswith(f"error: --output-dir {name}: ")
    assert stamps(copy.path) == before


@pytest.mark.parametrize("command", [["evaluate", "--split", "validation"], ["predict", "--split", "validation"]])
def test_an_unknown_split_names_those_there_are(command: list[str], cli: Cli, copy: Workspace) -> None:
    assert cli.error(*command, "-w", copy.path) == (
        "error: --split validation: no such split",
        "Splits: train, dev, test. The validation split is dev.",
    )


def test_files_and_a_split_at_once_are_refused(cli: Cli, copy: Workspace) -> None:
    assert "--split" in cli.error("predict", copy / "dev.txt", "--split", "dev", "-w", copy.path)[0]


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (None, "No such file", "JSON or TOML file"),
        (b"{", "not JSON", "JSON object"),
        (b"\xff", "not JSON", "JSON object"),
        (b"[]", "not a JSON object", "num_train_epochs"),
        (b'{"num_train_epoch": 3}', "unknown key num_train_epoch", "Did you mean num_train_epochs?"),
        (b'{"xyz": 3}', "unknown key xyz", "learning_rate"),
        (b'{"labels": "../conll-labels.txt"}', "labels ../conll-labels.txt", "labels.txt"),
    ],
)
def test_a_bad_configuration_file_is_told(
    content: bytes | None, message: str, hint: str, cli: Cli, copy: Workspace, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    if content is not None:
        config.write_bytes(content)
    lines = cli.error("train", "-w", copy.path, "--config", config)
    assert lines[0].startswith(f"error: --config {config}: ") and message in lines[0]
    assert hint in lines[1]


@pytest.mark.parametrize(
    "command",
    [
        ["train", "--nonsense"],
        ["train", "--max-length", "2"],
        ["train", "--num-epochs", "many"],
        ["train", "--keep", "none"],
        ["nonsense"],
        ["run", "--until", "nonsense"],
    ],
)
def test_a_command_line_that_makes_no_sense_ends_with_2(command: list[str], cli: Cli, tmp_path: Path) -> None:
    assert cli(*command, code=2) == ""
    assert "Traceback" not in cli.err and "Usage: nertool" in cli.err


def test_an_environment_variable_that_makes_no_sense_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUM_EPOCHS", "many")
    cli("train", code=2)
    assert "NUM_EPOCHS" in cli.err


# -- where values come from ------------------------------------------------------------------------


@pytest.fixture
def given(cli: Cli, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls `nertool train` with arguments and a configuration; returns the options that reach the stage."""
    seen: list[train.Options] = []

    def remember(_: Workspace, options: train.Options) -> None:
        seen.append(options)
        raise typer.Exit

    def call(*arguments: str, **config: object) -> train.Options:
        (tmp_path / "config.json").write_text(json.dumps(config))
        place = ["-w", str(workspace.path)]
        cli("train", *place, *(["--config", str(tmp_path / "config.json")] if config else []), *arguments)
        return seen[-1]

    monkeypatch.setattr(train, "run", remember)
    return call


def test_options_rank_above_environment_configuration_recipe_and_default(
    given: Any, cli: Cli, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert given().learning_rate == 5e-5
    cli("download", "sample", "--force", "-w", workspace.path)
    assert given().learning_rate == 1e-4, "the recipe that the data came from"
    assert given(learning_rate=2e-4).learning_rate == 2e-4
    assert given(learning_rate=5e-5).learning_rate == 5e-5, "the default's value, but set"
    monkeypatch.setenv("LEARNING_RATE", "3e-4")
    assert given(learning_rate=2e-4).learning_rate == 3e-4
    assert given("--lr", "4e-4", learning_rate=2e-4).learning_rate == 4e-4


def test_a_recipe_has_tuned_values_for_a_model_and_says_so(
    given: Any, cli: Cli, workspace: Workspace, tmp_path: Path
) -> None:
    for name in ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated"):
        (tmp_path / name).write_text("Anna\tB-person\nleft\tO\n\n")
    cli("download", "wnut17", "--source", tmp_path, "--force", "-w", workspace.path)
    assert _batches_and_epochs(given("--model", "minilm")) == (8, 5.0)
    assert "tuned for minilm on dev: --batch-size 8 --num-epochs 5 (--as-readme: the README's)" in cli.err
    for arguments in (["--model", "minilm", "--as-readme"], ["--model", "other"], []):
        assert _batches_and_epochs(given(*arguments)) == (32, 3.0)
        assert "tuned" not in cli.err
    assert _batches_and_epochs(given("--model", "minilm", "--num-epochs", "2")) == (8, 2.0)
    assert _batches_and_epochs(given("--model", "minilm", "--max-tokens-per-batch", "99")) == (32, 5.0)
    shown = json.loads(cli("check", "--model", "minilm", "--print-config", "--json", "-w", workspace.path))
    assert shown["num-epochs"]["value"] == 3, "a command without --as-readme has no tuned values"


def _batches_and_epochs(options: train.Options) -> tuple[int, float]:
    return options.batch_size, options.num_epochs


def test_a_search_takes_no_values_of_a_recipe_for_what_it_searches(given: Any, cli: Cli, workspace: Workspace) -> None:
    cli("download", "sample", "--force", "-w", workspace.path)
    assert given("--search", "2").learning_rate == 5e-5


@pytest.mark.parametrize(
    ("field", "option", "variable", "key", "values"),
    [
        ("model", "--model-name-or-path", "BERT_MODEL", "model_name_or_path", ["a", "b", "c"]),
        ("max_length", "--max-seq-length", "MAX_LENGTH", "max_seq_length", [5, 6, 7]),
        ("output_dir", "--output-dir", "OUTPUT_DIR", "output_dir", ["a", "b", "c"]),
        ("batch_size", "--batch-size", "BATCH_SIZE", "per_device_train_batch_size", [5, 6, 7]),
        ("num_epochs", "--num-train-epochs", "NUM_EPOCHS", "num_train_epochs", [5.0, 6.5, 7.0]),
        ("save_steps", "--save-steps", "SAVE_STEPS", "save_steps", [5, 6, 7]),
        ("seed", "--seed", "SEED", "seed", [5, 6, 7]),
    ],
)
def test_each_variable_of_the_readme_is_an_option_an_environment_variable_and_a_key(
    field: str, option: str, variable: str, key: str, values: list[Any], given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert getattr(given(**{key: values[0]}), field) == values[0]
    monkeypatch.setenv(variable, str(values[1]))
    assert getattr(given(**{key: values[0]}), field) == values[1]
    assert getattr(given(option, str(values[2]), **{key: values[0]}), field) == values[2]


def test_the_workspace_comes_from_option_environment_or_configuration(
    cli: Cli, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERTOOL_WORKSPACE", str(trained))
    assert cli.json("status")["train"]["state"] == "fresh"
    assert cli.json("status", "-w", tmp_path)["train"]["state"] == "missing"
    monkeypatch.delenv("NERTOOL_WORKSPACE")
    (tmp_path / "config.json").write_text(json.dumps({"data_dir": str(trained)}))
    assert cli.json("status", "--config", tmp_path / "config.json")["train"]["state"] == "fresh"


def test_a_home_directory_is_found_where_the_shell_has_not_put_it_in(
    cli: Cli, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(trained.parent))
    name = f"~/{trained.name}"
    assert cli.json("status", f"--workspace={name}")["train"]["state"] == "fresh"
    monkeypatch.setenv("NERTOOL_WORKSPACE", name)
    assert cli.json("status")["train"]["state"] == "fresh"
    assert str(trained / "x") in cli.error("predict", f"{name}/x")[0]
    assert str(trained / "x") in cli.error("predict", "--config", f"{name}/x")[0]


def test_the_configuration_of_the_readme_trains_and_fits_the_other_commands_too(
    cli: Cli, copy: Workspace, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy.path)
    Path("config.json").write_text(json.dumps({**README_CONFIG, "model_name_or_path": tiny_model}))
    assert cli.json("preprocess", "--config", "config.json")["fresh"]
    assert cli.json("labels", "--config", "config.json")["fresh"]
    facts = cli.json("train", "--config", "config.json")["facts"]
    assert (facts["output_dir"], facts["steps"]) == ("germeval-model", 6)
    assert Path("germeval-model/model.safetensors").exists()
    options = copy.records()["train"]["options"]
    assert (options["batch_size"], options["num_epochs"], options["save_steps"], options["seed"]) == (32, 3.0, 750, 1)
    assert cli.json("evaluate", "--config", "config.json")["facts"]["dev"]["support"] == 40


# -- what is printed -------------------------------------------------------------------------------


def test_stdout_has_the_result_and_stderr_the_notes(cli: Cli, copy: Workspace) -> None:
    cli("labels", "-w", copy.path, "--force")
    assert "B-LOC B-PER I-LOC O" in cli.out and "done in" not in cli.out
    assert cli.err.startswith("labels: done in ") and len(cli.err.splitlines()) == 1
    cli("labels", "-w", copy.path)
    assert "B-LOC B-PER I-LOC O" in cli.out
    assert cli.err == "labels: nothing to do\n"
    cli("labels", "-w", copy.path, "--force", "--quiet")
    assert "B-LOC B-PER I-LOC O" in cli.out and cli.err == ""


def test_json_is_one_object_and_nothing_else(cli: Cli, copy: Workspace) -> None:
    told = {}
    for arguments in (["labels"], ["labels", "--force"], ["evaluate"], ["predict", "--split", "dev"]):
        told = cli.json(*arguments, "-w", copy.path)
        assert told.keys() == {"stage", "fresh", "ok", "facts"}
        assert "\n" in cli.err, "notes still go to stderr"
    assert (told["stage"], told["facts"]["sentences"]) == ("predict:dev", 20)


def test_status_tells_every_stage_its_state_and_why(cli: Cli, copy: Workspace) -> None:
    told = cli.json("status", "-w", copy.path)
    assert {stage: row["state"] for stage, row in told.items()} == {
        "download": "edited",
        "preprocess": "fresh",
        "labels": "fresh",
        "train": "fresh",
        "evaluate": "missing",
        "quantize": "missing",
        "predict": "missing",
    }
    with (copy / "dev.txt").open("a") as file:
        file.write("\n")
    told = cli.json("status", "-w", copy.path)
    assert told["preprocess"]["state"] == "edited" and told["preprocess"]["why"] == "dev.txt changed by hand"
    assert told["train"]["state"] == "stale" and told["train"]["why"] == "dev.txt changed"
    table = cli("status", "-w", copy.path)
    rows = {line.split("│")[1].strip(): line for line in table.splitlines() if "│" in line}
    assert list(rows) == list(told)
    assert "edited" in rows["preprocess"] and "dev.txt changed by hand" in rows["preprocess"]
    assert "dev F1" in rows["train"]
    assert cli.err == ""


def test_run_until_a_stage_and_again_does_nothing(cli: Cli, workspace: Workspace, tiny_model: str) -> None:
    command = ["run", "--until", "labels", "--model", tiny_model, "-w", str(workspace.path)]
    cli(*command)
    assert "preprocess: done" in cli.err and "labels: done" in cli.err and "train" not in cli.err
    assert (workspace / "labels.txt").exists() and not (workspace / "model").exists()
    before = stamps(workspace.path)
    cli(*command)
    assert cli.err.endswith("nothing to do: every stage is fresh\n")
    assert stamps(workspace.path) == before
    assert list(cli.json(*command)) == ["preprocess", "labels"]


def test_a_table_that_is_read_by_a_program_has_no_colour_and_whole_lines(trained: Path) -> None:
    command = [sys.executable, "-m", "nertool", "status", "-w", str(trained)]
    environment = {**os.environ, "COLUMNS": "40", "TERM": "xterm-256color"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "\x1b" not in done.stdout
    assert "train.txt.tmp, dev.txt.tmp and test.txt.tmp not written by nertool" in done.stdout


@pytest.mark.slow
def test_the_command_that_mends_a_stale_model_does_so_word_for_word(
    cli: Cli, copy: Workspace, tiny_model: str, forks: Forks
) -> None:
    place = copy.path.with_name("a workspace")
    shutil.move(copy.path, place)
    settings = ["--num-epochs", "1", "--batch-size", "16", "--output-dir", "my model"]
    cli("train", "--model", tiny_model, *settings, "-w", place, "--quiet")
    (place / "labels.txt").write_text((place / "labels.txt").read_text() + "I-PER\n")
    message, hint = cli.error("evaluate", "-w", place)
    assert message == f"error: {place}/my model is stale: labels.txt changed"
    command = shlex.split(hint.removeprefix("Run: ").partition(" (or ")[0])
    assert command[0] == "nertool"
    assert forks.run(*command[1:]).code == 0
    assert "I-PER" in json.loads((place / "my model/config.json").read_text())["label2id"]
    cli("evaluate", "-w", place)


# -- predict in a pipe -----------------------------------------------------------------------------


Pipe = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def pipe(trained: Path, forks: Forks) -> Pipe:
    """Runs a shell line in which `predict` stands for the command."""

    def run(shell: str) -> subprocess.CompletedProcess[str]:
        define = f'predict() {{ {forks.in_shell("predict", "-w", str(trained))} "$@"; }}\n'
        return subprocess.run(["bash", "-o", "pipefail", "-c", define + shell], capture_output=True, text=True)

    return run


def test_tokens_in_a_pipe_come_out_tagged(trained: Path, pipe: Pipe) -> None:
    before = stamps(trained)
    done = pipe(r"""printf 'anna\nvisited\noslo\n\nbruno\n' | predict | cut -d ' ' -f 2""")
    assert (done.returncode, done.stdout) == (0, "B-PER\nO\nB-LOC\n\nB-PER\n\n")
    assert done.stderr == "read as one token a line (--input text reads one sentence a line)\n"
    assert stamps(trained) == before


def test_a_reader_that_leaves_early_ends_it_quietly(pipe: Pipe) -> None:
    """With more output than a pipe holds."""
    done = pipe("yes 'anna left oslo, bruno left vienna' | head -9000 | predict | head -1")
    assert done.stdout == "anna B-PER\n"
    assert done.stderr == ""


def test_bytes_that_are_not_utf8_are_told_in_two_lines(pipe: Pipe) -> None:
    done = pipe(r"printf 'anna left oslo\nZ\374rich\n' | predict")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].startswith("error: standard input:2: not UTF-8")
    assert len(done.stderr.splitlines()) == 2 and "iconv" in done.stderr


@pytest.mark.parametrize("form", ["conll", "jsonl"])
def test_text_comes_out_in_either_form(form: str, cli: Cli, copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"anna left new lisbon.\n\nbruno left oslo!\n")))
    out = cli("predict", "--format", form, "-w", copy.path)
    if form == "conll":
        assert out.split("\n\n")[1].splitlines() == ["bruno B-PER", "left O", "oslo B-LOC", "! O"]
    else:
        rows = [json.loads(line) for line in out.splitlines()]
        assert [row["text"] for row in rows] == ["anna left new lisbon.", "bruno left oslo!"]
        entity = rows[0]["entities"][1]
        assert 0.3 < entity.pop("score") <= 1
        assert entity == {"label": "LOC", "start": 10, "end": 20, "text": "new lisbon"}


def test_no_input_gives_no_output(cli: Cli, copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for data in (b"", b"\n \n"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert cli("predict", "-w", copy.path) == ""


def test_a_file_that_is_not_there_is_told_before_anything_is_tagged(cli: Cli, copy: Workspace) -> None:
    message, _ = cli.error("predict", copy / "dev.txt", copy / "none.txt", "-w", copy.path)
    assert message == f"error: {copy / 'none.txt'}: no such file"


def test_a_file_and_standard_input_are_tagged_in_their_order(
    cli: Cli, copy: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text").write_text("bruno left oslo .\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"clara left wien .\n")))
    out = cli("predict", "-w", copy.path, tmp_path / "text", "-")
    assert [block.split(" ")[0] for block in out.split("\n\n")[:-1]] == ["bruno", "clara"]


def test_a_bug_shows_versions_and_command_above_its_traceback(tmp_path: Path) -> None:
    """As where a library raises what nobody foresaw."""
    code = (
        "import sys\n"
        "from nertool.cli.main import main\n"
        "from nertool.stages import labels\n"
        "labels.run = lambda *_: 1 / 0\n"
        "main(sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", code, "labels", "-w", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    header, _, traceback = done.stderr.partition("Traceback (most recent call last):")
    assert "ZeroDivisionError" in traceback
    for part in ("nertool ", "Python 3.", "torch ", "transformers ", f"nertool labels -w {tmp_path}"):
        assert part in header


def test_a_logged_command_means_the_same_without_the_environment(
    cli: Cli, workspace: Workspace, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_LENGTH", "5")
    monkeypatch.setenv("BERT_MODEL", tiny_model)
    cli("preprocess", "-w", workspace.path)
    monkeypatch.undo()
    assert cli.json(*shlex.split(workspace.last_command("preprocess"))[1:])["fresh"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--decoding", "beam"], "'beam' is not one of 'viterbi', 'argmax'."),
        (["--seed", "1.5"], "'1.5' is no whole number."),
        (["--ema", "x"], "'x' is no number."),
        (["--seed", "-1"], "-1 is out of range: write 0 or more."),
        (["--layer-decay", "2"], "2 is out of range: write 1 or less."),
    ],
)
def test_a_value_that_cannot_be_is_told_in_our_words(
    arguments: list[str], message: str, cli: Cli, tmp_path: Path
) -> None:
    cli("train", *arguments, "-w", tmp_path, code=2)
    assert cli.err.rstrip().endswith(f": {message}")
    name, value = arguments[0].strip("-").replace("-", "_"), arguments[1]
    (tmp_path / "options.json").write_text(json.dumps({name: value}))
    cli("train", "--config", tmp_path / "options.json", "-w", tmp_path, code=1)
    assert f"{name}: {message}" in cli.err


@pytest.mark.parametrize(
    ("variable", "value", "options", "message"),
    [
        ("SEED", "5", ["--seeds", "1,2"], "--seed does not go with --seeds"),
        ("BATCH_SIZE", "16", ["--max-tokens-per-batch", "99"], "--batch-size does not go with --max-tokens-per-batch"),
        ("NUM_EPOCHS", "4", ["--search", "2"], "--num-epochs does not go with --search"),
        ("OUTPUT_DIR", "../model", [], "--output-dir ../model: the model lies in the workspace"),
    ],
)
def test_a_refused_value_of_the_environment_is_told_with_its_variable(
    variable: str, value: str, options: list[str], message: str, cli: Cli, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv(variable, value)
    for command in ("train", "run"):
        cli(command, *options, "-w", tmp_path, code=1)
        error, hint = cli.err.splitlines()[-2:]
        assert error.startswith(f"error: {message}")
        assert hint.endswith(f" (it comes from the environment: unset {variable})")


def test_status_prints_the_command_that_goes_on_in_one_line(cli: Cli, tmp_path: Path) -> None:
    options = " ".join(f"--set name_{number}=value" for number in range(20))
    Workspace(tmp_path).under_way("train").begin({"options": {}}, command=f"nertool train {options}")
    assert f"\nto go on with train: nertool train {options} -w {tmp_path}\n" in cli("status", "-w", tmp_path)
    assert cli.json("status", "-w", tmp_path)["train"]["why"] == "interrupted, before its first checkpoint"


def test_values_of_the_environment_are_named(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEED", "5")
    monkeypatch.setenv("BATCH_SIZE", "16")
    cli("train", "-w", tmp_path / "w", code=1)
    (line,) = [line for line in cli.err.splitlines() if line.startswith("from the environment: ")]
    assert sorted(line.removeprefix("from the environment: ").split(", ")) == ["BATCH_SIZE=16", "SEED=5"]
    cli("train", "--seed", "3", "--batch-size", "4", "-w", tmp_path / "w", code=1)
    assert "from the environment" not in cli.err
