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


def test_distinct_surface_forms_are_scored_where_that_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "own.txt"
    file.write_text("Rio B-LOC B-LOC\n\nRio B-LOC O\n\nOslo B-LOC O\n\nAnna B-PER B-LOC\n\n")
    task_score = score.run(score.Options(str(file), surface_forms=True)).facts["own.txt"]["task_score"]
    assert (task_score["correct"], task_score["predicted"], task_score["support"]) == (1, 2, 3)
    assert "task_score" not in score.run(score.Options(str(file))).facts["own.txt"]


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


@pytest.mark.parametrize("name", ["comparison", "other", "ours", "p"])
def test_names_of_files_take_the_place_of_no_figure(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(GOLD)
    (tmp_path / "b.txt").write_text(BETTER)
    for arguments, scores in (
        ((name, "--compare", "b.txt"), "│ 0.4000 │ 1.0000 │"),
        (("b.txt", "--compare", name), "│ 1.0000 │ 0.4000 │"),
        ((name,), ""),
    ):
        with pytest.raises(SystemExit, match="^0$"):
            main(["score", *arguments])
        shown = capsys.readouterr().out
        assert scores in shown and "entities, conlleval mode" in shown


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


def test_a_workspace_is_refused_where_none_is_read(
    files: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["score", files["a.txt"], "-w", "elsewhere"])
    assert (end.value.code, "--workspace: nertool score needs none" in capsys.readouterr().err) == (1, True)
    monkeypatch.setenv("NERTOOL_WORKSPACE", "elsewhere")  # is for all commands of a shell
    with pytest.raises(SystemExit) as end:
        main(["score", files["a.txt"]])
    assert end.value.code == 0


@pytest.mark.parametrize(("name", "delimiter"), [("tab", "\t"), (";", ";"), ("||", "||"), ("space", " ")])
@pytest.mark.parametrize("fast", [True, False])
def test_columns_may_have_any_delimiter(name: str, delimiter: str, fast: bool, tmp_path: Path) -> None:
    """With one of its own, a token may hold blanks."""
    token = "Anna" if delimiter == " " else "Anna Lena"
    path = tmp_path / "a.txt"
    path.write_text(GOLD.replace("anna", "@").replace(" ", delimiter).replace("@", token), encoding="utf-8")
    more = {} if fast else {"report": str(tmp_path / "page")}
    facts = score.run(score.Options(str(path), delimiter=name, **more)).facts["a.txt"]
    assert (facts["correct"], facts["predicted"], facts["support"], facts["tokens"]) == (1, 2, 3, 5)


SPELLINGS = {
    "types": ("PER O O LOC", "PER O O PER"),
    "suffix": ("PER-B O O LOC-B", "PER-B O O PER-I"),
    "underscore": ("B_PER O O B_LOC", "B_PER O O B_PER"),
    "lower": ("b-per o o b-loc", "b-per o o b-per"),
    "zero": ("B-PER 0 0 B-LOC", "B-PER O 0 B-PER"),
    "bare": ("B O O B", "B O B O"),
}


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_any_spelling_of_tags_is_scored_by_its_entities(
    spelling: str, fast: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = zip("abcd", *map(str.split, SPELLINGS[spelling]), strict=True)
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{' '.join(row)}\n" for row in rows) + "\n", encoding="utf-8")
    more = {} if fast else {"report": str(tmp_path / "page")}
    facts = score.run(score.Options(str(path), **more)).facts["a.txt"]
    assert (facts["metric"], facts["correct"], facts["predicted"], facts["support"]) == ("f1", 1, 2, 2)
    assert facts["spelling"] in caplog.text
    assert "conlleval" in facts["seqeval"]["modes"]
    if not fast:
        errors = [json.loads(line) for line in (tmp_path / "page" / "errors.jsonl").read_text().splitlines()]
        assert len(errors) == (2 if spelling == "bare" else 1)


@pytest.mark.parametrize("stray", ["X", "_", "[CLS]", "PER", "B-", "B"])
@pytest.mark.parametrize("fast", [True, False])
def test_a_tag_without_a_type_breaks_nothing(stray: str, fast: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    rows = [("B-PER", "B-PER"), ("O", stray), (stray, "O"), ("B-LOC", "B-LOC"), ("I-LOC", stray), ("O", "O")]
    path.write_text("".join(f"w {gold} {predicted}\n" for gold, predicted in rows) + "\n", encoding="utf-8")
    more = {} if fast else {"report": str(tmp_path / "page"), "compare": str(path)}
    facts = score.run(score.Options(str(path), **more)).facts["a.txt"]
    # as conlleval: a stray tag that is no bare B begins an entity behind a tag with a type alone
    gold, predicted = (3, 4) if stray.startswith("B") else (2, 4)
    assert (facts["correct"], facts["predicted"], facts["support"]) == (1, predicted, gold)
    assert set(facts["types"]) == {"LOC", "PER"}
    assert json.loads(json.dumps(facts))["types"].keys() == facts["types"].keys()


NO_TAGS = {
    "tags in quotes": ('anna "B-PER" "B-PER"\nflew "O" "O"\n', '"B-PER" stand in quotes'),
    "names of columns": ("token gold pred\nanna B-PER B-PER\nflew O O\n", "'gold' is no tag, but the name of a column"),
    "no O in any spelling": ("anna B-PER, B-PER\nflew O, O\n", "have no O, and O, stands beside them"),
    "predictions in another order": ("anna B-PER PER-B\nflew O O\n", "no predicted tags: PER-B where"),
    "predictions with another separator": ("anna B-PER B_PER\nflew O O\n", "no predicted tags: B_PER where"),
    "predictions without prefixes": ("anna B-PER PER\nflew O O\n", "no predicted tags: PER where"),
    "gold without prefixes": ("anna PER B-PER\nflew O O\n", "no gold tags: PER where the last has B-PER, O"),
    "tokens in the place of gold": ("B-PER anna B-PER\nO flew O\n", "no gold tags: anna, flew where"),
    "names of columns above tags without O": ("token gold pred\nanna B-PER B-PER\n", "but the name of a column"),
}


@pytest.mark.parametrize(("content", "told"), NO_TAGS.values(), ids=NO_TAGS)
def test_columns_that_hold_no_tags_are_refused(content: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "own.txt"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InvalidData, match=told):
        score.run(score.Options(str(file)))


def test_a_model_that_predicts_no_entity_and_words_for_o_are_scored(tmp_path: Path) -> None:
    file = tmp_path / "own.txt"
    for content in ("anna B-PER O\nflew O O\n", "anna B_PER B-PER\nflew O O\n", "anna B-PER NONE\nflew NONE NONE\n"):
        file.write_text(content)
        assert score.run(score.Options(str(file))).facts["own.txt"]["support"] == 1
