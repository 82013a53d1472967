"""Anybody's predictions: conlleval's input, read fast, and refused with file and line where it is not that."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertool.corpus.column_files import Sentence
from nertool.errors import InvalidData, MissingInput
from nertool.scoring import prediction_files
from nertool.scoring.prediction_files import check_same, read_both, read_tagged, score_file
from nertool.scoring.score_files import score_files
from nertool.scoring.scorer import Scorer
from nertool.stages import evaluate
from nertool.workspace.workspace import Workspace

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
ROW = st.tuples(st.sampled_from(["a", "b", "-X-y", "Zürich"]), st.sampled_from(TAGS), st.sampled_from(TAGS))
FILE = st.lists(st.lists(ROW, min_size=1, max_size=6), max_size=6)


def scored(text: str | bytes, path: Path) -> Scorer:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    scorer = Scorer("iob2")
    score_file(str(path), scorer)
    return scorer


@settings(deadline=None)
@given(
    sentences=FILE,
    blank=st.sampled_from(["\n", "\n\n\n", "\t\n", "\r\n", "-X- x O O\n"]),
    between=st.sampled_from([" ", "\t", "  ", " NN "]),
    last=st.sampled_from(["", "\n"]),
    block=st.integers(1, 40),
)
def test_any_layout_and_block_gives_the_counts_of_the_sentences(
    sentences: list[list[tuple[str, str, str]]],
    blank: str,
    between: str,
    last: str,
    block: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    lines = [[f"{token}{between}{gold} {predicted}\n" for token, gold, predicted in rows] for rows in sentences]
    text = blank + blank.join(map("".join, lines)).removesuffix("\n") + last
    before, prediction_files.BLOCK = prediction_files.BLOCK, block
    try:
        found = scored(text, tmp_path_factory.mktemp("files") / "tags.txt")
    finally:
        prediction_files.BLOCK = before
    wanted = Scorer("iob2")
    for rows in sentences:
        wanted.add([gold for _, gold, _ in rows], [predicted for _, _, predicted in rows])
    assert found.results() == wanted.results()


def test_two_columns_are_gold_and_predicted(tmp_path: Path) -> None:
    assert scored("B-PER B-PER\nO O\n\nB-LOC O\n", tmp_path / "tags.txt").counts == (1, 1, 2)


def test_what_was_learnt_of_lines_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_files, "MOST_KNOWN", 2)
    monkeypatch.setattr(prediction_files, "BLOCK", 30)
    lines = [f"t{number} x{number} B-PER {('B-PER', 'O')[number % 2]}\n\n" for number in range(50)]
    assert scored("".join(lines), tmp_path / "tags.txt").counts == (25, 25, 50)


def test_packed_files_and_standard_input_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip

    text = b"a B-PER B-PER\n\nb B-LOC O\n"
    assert scored(gzip.compress(text), tmp_path / "tags.txt.gz").counts == (1, 1, 2)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    scorer = Scorer()
    score_file("-", scorer)
    assert scorer.counts == (1, 1, 2)


def test_an_empty_file_has_a_score(tmp_path: Path) -> None:
    for text in ("", "\n\n", "\t\n"):
        results = scored(text, tmp_path / "tags.txt").results()
        assert (results["sentences"], results["tokens"], results["f1"]) == (0, 0, 0.0)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"a O O\n\nb O\n", ":3: 2 columns in place of 3: 'b O'"),
        (b"a O O\nb O O O\n", ":2: 4 columns in place of 3"),
        (b"a\n", ":1: 1 columns"),
        (b"a O O\n\nb O \xff\n", ":3: not UTF-8"),
        (b"O O\nB-PER\n", ":2: 1 columns in place of 2"),
        (b"\x1f\x8b\x08\x00", ":1: this is a gzip archive"),
    ],
)
def test_a_line_without_two_tags_is_named(text: bytes, wanted: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidData) as error:
        scored(text, tmp_path / "tags.txt")
    assert wanted in error.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="there is no such file"):
        score_file(str(tmp_path / "none"), Scorer())
    with pytest.raises(MissingInput, match=f"{tmp_path} is a directory"):
        score_file(str(tmp_path), Scorer())
    with pytest.raises(MissingInput, match="there is no such file"):
        evaluate.run(Workspace(tmp_path / "w"), evaluate.Options(columns="none", predicted="none"))


def test_two_files_are_scored_side_by_side(tmp_path: Path) -> None:
    gold, predicted = tmp_path / "gold.txt", tmp_path / "predicted.txt"
    gold.write_text("a\tNN\tB-PER\nb\tNN\tI-PER\n\n\nc NN O\n")
    predicted.write_text("a B-PER\nb I-PER\n\nc B-LOC")
    rows = list(read_both(gold, predicted))
    assert [(row.tokens, row.gold, row.predicted, row.line) for row in rows] == [
        (["a", "b"], ["B-PER", "I-PER"], ["B-PER", "I-PER"], 1),
        (["c"], ["O"], ["B-LOC"], 5),
    ]
    options = evaluate.Options(columns=str(gold), predicted=str(predicted))
    facts = evaluate.run(Workspace(tmp_path / "w"), options).facts["gold.txt"]
    assert (facts["correct"], facts["predicted"], facts["support"]) == (1, 2, 1)
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("predicted", "wanted"),
    [
        ("a O\nx O\n\nc O\n", "predicted.txt:2: 'x' where {gold}:2 has 'b'"),
        ("a O\n\nc O\n", "predicted.txt:2: no token where {gold}:2 has 'b'"),
        ("a O\nb O\n", "gold.txt:4: a sentence that {predicted} does not have"),
        ("a O\nb O\n\nc O\n\nd O\n", "predicted.txt:6: a sentence that {gold} does not have"),
        ("a O\nb\n", "predicted.txt:2: 1 columns"),
    ],
)
def test_files_that_do_not_fit_each_other_are_refused(predicted: str, wanted: str, tmp_path: Path) -> None:
    places = {"gold": tmp_path / "gold.txt", "predicted": tmp_path / "predicted.txt"}
    places["gold"].write_text("a O\nb O\n\nc O\n")
    places["predicted"].write_text(predicted)
    with pytest.raises(InvalidData) as error:
        list(read_both(places["gold"], places["predicted"]))
    assert wanted.format(**places) in error.value.message


def test_equal_sentences_pass() -> None:
    sentence = Sentence(["a"], ["O"], 1)
    check_same(sentence, Path("x"), sentence, Path("y"))


def test_tokens_stay_with_their_tags(tmp_path: Path) -> None:
    (tmp_path / "tags.txt").write_text("\na x B-PER O\n-X- - O O\nb x O O\n")
    assert [(row.tokens, row.gold, row.predicted, row.line) for row in read_tagged(tmp_path / "tags.txt")] == [
        (["a"], ["B-PER"], ["O"], 2),
        (["b"], ["O"], ["O"], 4),
    ]
    (tmp_path / "tags.txt").write_text("a O\n")
    with pytest.raises(InvalidData, match=r"tags\.txt:1: 2 columns where there should be 3"):
        list(read_tagged(tmp_path / "tags.txt"))


def test_scoring_a_file_loads_no_model_library(tmp_path: Path) -> None:
    (tmp_path / "tags.txt").write_text("a B-PER B-PER\n")
    code = (
        "import sys; from nertool.cli.main import main\n"
        "try: main(['evaluate', '--columns', sys.argv[1], '--json', '-q'])\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'transformers', 'datasets'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "tags.txt")], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["facts"]["tags.txt"]["f1"] == 1.0


@pytest.mark.parametrize("last", ["0.9", "Anna", "PER"])
def test_a_last_column_without_tags_is_refused(last: str, tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text(f"Anna B-PER {last}\nleft O {last}\n")
    with pytest.raises(InvalidData, match="no predicted tags"):
        score_file(str(path), Scorer())


def test_lines_that_end_with_cr_are_lines(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_bytes(b"Anna B-PER B-PER\rleft O O\r\rOslo B-LOC O\r")
    scorer = Scorer()
    score_file(str(path), scorer)
    results = scorer.results()
    assert (results["correct"], results["predicted"], results["support"]) == (1, 1, 2)


def test_line_ends_do_not_change_what_is_counted(tmp_path: Path) -> None:
    for text in (b"Anna B-PER B-PER\nKeller I-PER I-PER", b"a O O\n\nAnna B-PER B-PER\nKeller I-PER I-PER"):
        wanted = scored(text, tmp_path / "tags.txt").results()
        for end in (b"\r\n", b"\r"):
            assert scored(text.replace(b"\n", end), tmp_path / "tags.txt").results() == wanted


def test_the_last_sentence_counts_for_the_scheme(tmp_path: Path) -> None:
    path = tmp_path / "tags.txt"
    path.write_text(
        "Anna I-PER I-PER\n\nOslo B-LOC B-LOC\nleft O O\nBonn B-LOC B-LOC\nis O O\nNew B-LOC B-LOC\nYork I-LOC I-LOC"
    )
    alone, with_tokens = (score_files(str(path), surface_forms=more)["tags.txt"]["strict"] for more in (False, True))
    assert alone == with_tokens and alone["mode"] == "strict IOB2"


NO_TEXT = {
    "UTF-16": ("a B-PER B-PER\n".encode("utf-16"), "1: this is UTF-16,"),
    "UTF-16 without a mark": ("a B-PER B-PER\n".encode("utf-16-le"), "1: this is UTF-16LE"),
    "a NUL": (b"a B-PER B-PER\nb\0 O O\n", "a NUL byte"),
    "gzip": (b"\x1f\x8b\x08\x00 a b\n", "1: this is a gzip archive"),
}


@pytest.mark.parametrize("form", NO_TEXT)
def test_what_is_no_text_is_named(form: str, tmp_path: Path) -> None:
    content, told = NO_TEXT[form]
    with pytest.raises(InvalidData, match=told):
        scored(content, tmp_path / "tags.txt")
    with pytest.raises(InvalidData, match=told):
        list(read_tagged(tmp_path / "tags.txt"))


def test_a_byte_order_mark_is_no_part_of_a_token(tmp_path: Path) -> None:
    gold, predicted = tmp_path / "gold.txt", tmp_path / "predicted.txt"
    gold.write_text("Anna B-PER\n")
    predicted.write_text("\ufeffAnna B-PER\n")
    assert [one.tokens for one in read_both(gold, predicted)] == [["Anna"]]


def test_columns_without_a_common_tag_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="no tag in common: left, were and home, out"):
        scored("Anna left home\nWe were out\n", tmp_path / "tags.txt")


@pytest.mark.parametrize(
    "text",
    [
        " Anna B-PER B-PER\n\tleft O O\n",
        "\ufeffAnna B-PER B-PER\nleft O O\n",
        "An\x0bna B-PER B-PER\nleft O O\n",
        "Anna B-PER B-PER\u00a0\nleft O O\n",
        "An\u00a0na B-PER B-PER\nleft O O\n",
    ],
)
def test_blanks_are_read_alike_with_and_without_tokens(text: str, tmp_path: Path) -> None:
    path = tmp_path / "tags.txt"
    path.write_text(text, encoding="utf-8")
    for more in (False, True):
        results = score_files(str(path), surface_forms=more)["tags.txt"]
        assert (results["correct"], results["predicted"], results["support"], results["tokens"]) == (1, 1, 1, 2)


def test_a_byte_order_mark_is_no_part_of_a_tag(tmp_path: Path) -> None:
    assert scored("\ufeffB-PER B-PER\nO O\n", tmp_path / "tags.txt").counts == (1, 1, 1)


def test_a_blank_is_no_tag(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=":2: 2 columns in place of 3"):
        scored("Anna B-PER B-PER\nleft \u00a0 O\n", tmp_path / "tags.txt")
