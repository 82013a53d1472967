"""Scoring the files of any tool: one file, two files, two models; what is no prediction is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nertool.cli.main import main
from nertool.errors import InvalidData, MissingInput
from nertool.stages import score

GOLD = "anna B-PER B-PER\nflew O O\nto O O\noslo B-LOC O\n\nbruno B-PER B-LOC\n\n"
BETTER = "anna B-PER B-PER\nflew O O\nto O O\noslo B-LOC B-LOC\n\nbruno B-PER B-PER\n\n"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    contents = {
        "a.txt": GOLD,
        "b.txt": BETTER,
        "gold.txt": "anna B-PER\nflew O\n\n",
        "predicted.txt": "anna B-LOC\nflew O\n\n",
        "tags.txt": "B-PER B-PER\nO O\n\n",
        "pos.txt": "NN NN\nVB NN\n\n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    return {name: str(tmp_path / name) for name in contents}


def test_a_file_of_gold_and_predicted_tags(files: dict[str, str]) -> None:
    facts = score.run(score.Options(files["a.txt"])).facts["a.txt"]
    assert (facts["correct"], facts["predicted"], facts["support"]) == (1, 2, 3)
    assert facts["seqeval"] == {"modes": ["conlleval", "strict"], "not_compared": {}}


def test_gold_and_predicted_tags_in_two_files(files: dict[str, str]) -> None:
    options = score.Options(files["gold.txt"], predicted=files["predicted.txt"])
    facts = score.run(options).facts["gold.txt"]
    assert (facts["correct"], facts["predicted"], facts["support"]) == (0, 1, 1)


def test_two_models_are_compared(files: dict[str, str]) -> None:
    facts = score.run(score.Options(files["a.txt"], compare=files["b.txt"])).facts
    comparison = facts["comparison"]
    assert comparison["other"] == "b.txt"
    row = comparison["a.txt"]
    assert (row["ours"], row["other"]) == (facts["a.txt"]["f1"], 1.0)
    assert row["difference"] == pytest.approx(row["ours"] - row["other"])
    assert 0 <= row["p"] <= 1 and len(row["interval"]) == 2


def test_files_of_other_sentences_are_not_compared(files: dict[str, str]) -> None:
    with pytest.raises(InvalidData, match=r"b\.txt|tags\.txt"):
        score.run(score.Options(files["a.txt"], compare=files["tags.txt"]))


@pytest.mark.parametrize("name", ["tags.txt", "pos.txt"])
def test_two_columns_may_be_gold_and_predicted_tags(name: str, files: dict[str, str]) -> None:
    assert score.run(score.Options(files[name])).facts[name]["tokens"] == 2


def test_tokens_and_tags_without_predictions_are_refused(files: dict[str, str]) -> None:
    with pytest.raises(InvalidData, match="there are no predictions to score"):
        score.run(score.Options(files["gold.txt"]))


def test_a_page_and_the_errors_go_to_a_directory(files: dict[str, str], tmp_path: Path) -> None:
    score.run(score.Options(files["a.txt"], report=str(tmp_path / "page")))
    assert {path.name for path in (tmp_path / "page").iterdir()} == {"report.html", "errors.jsonl"}


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="none"):
        score.run(score.Options("none", compare=str(tmp_path / "none")))


def test_the_command_and_its_old_spelling_print_the_same(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    shown = []
    for command in (["score", files["a.txt"]], ["evaluate", "--columns", files["a.txt"]]):
        with pytest.raises(SystemExit) as end:
            main([*command, "--json", "--quiet"])
        assert end.value.code == 0
        shown.append(json.loads(capsys.readouterr().out))
    assert shown[0] == shown[1]


def test_the_table_says_that_counts_are_equal_to_seqeval(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["score", files["a.txt"]])
    assert "equal to seqeval (conlleval and strict)" in capsys.readouterr().out
