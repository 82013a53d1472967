"""A token reaches no file, no hint, no error and no screen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nertool.cli.invocation import without_secrets
from nertool.cli.main import main
from nertool.workspace.workspace import Workspace

SECRET = "hf_MadeUpSecret"


@pytest.mark.parametrize(
    "given",
    [
        ["--token", SECRET],
        [f"--token={SECRET}"],
        ["--hub_token", SECRET],
        [f"--hub-token={SECRET}"],
        ["--set", f"hub_token={SECRET}"],
        [f"--set=hub_token={SECRET}"],
    ],
)
def test_the_command_line_is_logged_without_it(given: list[str]) -> None:
    assert without_secrets(["nertool", "train", *given, "--seed", "1"]) == "nertool train --seed 1"


@pytest.mark.parametrize(
    "given", [["--token", SECRET], [f"--token={SECRET}"], ["--hub_token", SECRET], "config", "env"]
)
def test_no_file_and_no_output_holds_a_token(
    given: list[str] | str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "w"
    if given == "config":
        (tmp_path / "c.json").write_text(json.dumps({"hub_token": SECRET}))
        given = ["--config", str(tmp_path / "c.json")]
    elif given == "env":
        monkeypatch.setenv("HF_TOKEN", SECRET)
        given = []
    shown = ""
    for command, code in (
        (["run", "sample", "--until", "download", "--limit", "5", *given], 0),
        (["run", "sample", "--print-config", *given], 0),
        (["train", "--print-config", "--json", *given], 0),
        (["train", *given], 1),
        (["status"], 0),
    ):
        with pytest.raises(SystemExit) as end:
            main([*command, "-w", str(folder)])
        assert end.value.code == code
        shown += "".join(capsys.readouterr())
    shown += Workspace(folder).last_command("download")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert (folder / "runs.jsonl") in files
    assert SECRET not in shown
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
