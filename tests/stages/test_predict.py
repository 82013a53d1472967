"""Tagging: order, places and forms of what comes out, from Python; the shell's view is in test_cli.py."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults.forks import Forks

from nertool.documents import output_file, writers
from nertool.errors import InvalidData, InvalidOption, MissingInput, NertoolError
from nertool.models import cpu
from nertool.models.load_tagger import load_tagger
from nertool.models.tagging import TagCounts, Tagging
from nertool.models.thresholds import Thresholds
from nertool.stages import evaluate, predict, predict_files
from nertool.workspace.workspace import Workspace

torch = pytest.importorskip("torch")


def tag(trained: Path, data: bytes, **options: object) -> str:
    texts = predict_files.tag_files(Workspace(trained), predict.Options(**options), io.BytesIO(data), progress=False)  # type: ignore[arg-type]
    return "".join(texts)


def test_tokens_in_and_tags_out(trained: Path) -> None:
    out = tag(trained, b"anna\nvisited\noslo\n.\n\nbruno O\nleft O\nvienna O\n! O\n")
    assert out == "anna B-PER\nvisited O\noslo B-LOC\n. O\n\nbruno B-PER\nleft O\nvienna B-LOC\n! O\n\n"


def test_text_in_and_places_in_the_text_out(trained: Path) -> None:
    out = tag(trained, b"anna visited  new lisbon.\n", format="jsonl")
    row = json.loads(out)
    assert [(entity["label"], entity["text"]) for entity in row["entities"]] == [("PER", "anna"), ("LOC", "new lisbon")]
    assert all(0.5 < entity["score"] <= 1 for entity in row["entities"])
    for entity in row["entities"]:
        assert row["text"][entity["start"] : entity["end"]] == entity["text"]


def test_another_model_than_the_workspaces_tags(trained: Path, tmp_path: Path) -> None:
    there = shutil.copytree(trained / "model", tmp_path / "their model")
    workspace, text = tmp_path / "none", b"anna visited oslo .\n"
    expected = tag(trained, text)
    for name in (there, trained):  # a workspace stands for its model
        assert tag(workspace, text, model_dir=str(name)) == expected
    assert not workspace.exists()
    with pytest.raises(InvalidOption, match=r"--model-dir .* holds several models: 1, 2\n"):
        for number in "12":
            shutil.copytree(there, tmp_path / "seeds" / number)
        tag(workspace, text, model_dir=str(tmp_path / "seeds"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(NertoolError, match="holds no model: it has no config.json"):
        tag(workspace, text, model_dir=str(tmp_path / "empty"))


def test_a_workspace_stands_for_the_model_that_it_holds(trained: Path, tmp_path: Path) -> None:
    text, folder = b"anna visited oslo .\n", shutil.copytree(trained, tmp_path / "its own name")
    (folder / "model").rename(folder / "bert")
    with pytest.raises(MissingInput, match=r"its own name/model/config\.json is missing\nRun: nertool train -w '"):
        tag(tmp_path, text, model_dir=str(folder))
    records = (folder / "workspace.json").read_text().replace('"output_dir": "model"', '"output_dir": "bert"')
    (folder / "workspace.json").write_text(records)
    assert tag(tmp_path, text, model_dir=str(folder)) == tag(trained, text)
    with pytest.raises(InvalidOption, match=r"config\.json is a file\nName its directory: --model-dir .*bert"):
        tag(tmp_path, text, model_dir=str(folder / "bert" / "config.json"))


@pytest.mark.parametrize("options", [{"quantized": True}, {"allow_stale": True}, {"split": "dev"}])
def test_what_is_for_the_workspaces_model_does_not_go_with_another(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption, match="--model-dir"):
        predict.Options(model_dir="model", **options)


def test_files_are_tagged_in_their_order(trained: Path, tmp_path: Path) -> None:
    names = []
    for name, line in (("b", "bruno left oslo ."), ("a", "anna left vienna .")):
        (tmp_path / name).write_text(line + "\n")
        names.append(str(tmp_path / name))
    out = list(predict_files.tag_files(Workspace(trained), predict.Options(files=names), None, progress=False))
    assert [text.split(" ")[0] for text in out] == ["bruno", "anna"]


def test_sentences_come_out_in_order_whatever_their_length(trained: Path) -> None:
    tagger = load_tagger(trained / "model")
    sentences = [["anna"] * length for length in (5, 190, 1, 0, 33, 200, 2)]
    counts = TagCounts()
    assert [len(tags) for tags in tagger.tag(sentences, counts)] == [5, 190, 1, 0, 33, 200, 2]
    assert counts == TagCounts(windowed=2, without_subwords=0)


def test_products_by_either_library_give_the_same_tags(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = [["anna", "visited", "new", "lisbon"] * length for length in (1, 3, 60)]
    found = []
    for held_back in (True, False):
        monkeypatch.setattr(cpu, "mkl_is_slow_here", lambda held_back=held_back: held_back)
        tagger = load_tagger(trained / "model", device="cpu")
        linear = sum(type(module) is torch.nn.Linear for module in tagger.model.modules())
        assert (linear == 0) == (held_back and torch.backends.mkldnn.is_available())
        found.append(list(tagger.tag_scored(sentences)))
    for one, other in zip(*found, strict=True):
        assert one.tags == other.tags
        assert one.scores == pytest.approx(other.scores, abs=1e-5)


def test_threads_change_neither_tags_nor_their_number(trained: Path) -> None:
    """Batches are worked on side by side; what was set for the process is as before, after a failure too."""
    tagger, before = load_tagger(trained / "model", device="cpu").with_batches_of(24), torch.get_num_threads()
    sentences = [["clara", "saw", "new", "lisbon"] * (1 + number % 5) for number in range(200)]
    found = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found.append(list(tagger.tag_scored(sentences)))
            assert torch.get_num_threads() == threads
        tagger.model = torch.nn.Module()
        with pytest.raises(TypeError):
            list(tagger.tag(sentences))
        assert torch.get_num_threads() == 5
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert [one.tags for one in other] == [one.tags for one in found[0]]


def test_a_sentence_is_tagged_the_same_alone_and_among_others(trained: Path) -> None:
    tagger = load_tagger(trained / "model")
    sentences = [["clara", "saw", "new", "lisbon", "!"], ["oslo"], ["anna", "left"] * 20]
    assert [next(tagger.tag([one])) for one in sentences] == list(tagger.tag(sentences))


def test_the_stream_is_read_as_it_is_tagged(trained: Path) -> None:
    """Memory does not grow with the input: the reader is never far ahead of the writer."""
    from nertool.models.batching import SENTENCES_AHEAD

    read = 0

    def endless():  # type: ignore[no-untyped-def]
        nonlocal read
        while True:
            read += 1
            yield ["anna"]

    tagged = load_tagger(trained / "model").tag(endless())
    next(tagged)
    assert read == SENTENCES_AHEAD


def test_predictions_of_a_split_are_those_of_evaluate(trained: Path, tmp_path: Path) -> None:
    workspace = Workspace(shutil.copytree(trained, tmp_path / "copy"))
    evaluate.run(workspace, evaluate.Options(split=["dev"]))
    predict.run(workspace, predict.Options(split="dev"))
    scored = (workspace / "evaluation/dev_predictions.txt").read_text().splitlines()
    tagged = (workspace / "predictions/dev.conll").read_text().splitlines()
    assert [line.split(" ")[-1] for line in scored] == [line.split(" ")[-1] for line in tagged]


def test_records_keep_their_other_fields_and_their_order(trained: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = [
        {"id": 1, "text": "anna visited oslo .\nbruno visited vienna .", "source": {"a": [1]}},
        {"id": 2, "tokens": ["bruno", "left"], "tags": ["O", "O"]},
        {"id": 3, "text": ""},
        {"id": 4, "text": "oslo " * 300},
    ]
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    rows = [json.loads(line) for line in tag(trained, data, format="jsonl").splitlines()]
    assert [row["id"] for row in rows] == [1, 2, 3, 4]
    assert rows[0]["source"] == {"a": [1]} and rows[0]["text"] == lines[0]["text"]
    assert [entity["text"] for entity in rows[0]["entities"]] == ["anna", "oslo", "bruno", "vienna"]
    for entity in rows[0]["entities"]:
        assert rows[0]["text"][entity["start"] : entity["end"]] == entity["text"]
    assert (rows[1]["tags"], "text" in rows[1]) == (["B-PER", "O"], False)
    assert "1 record had fields named tokens, tags, entities, text: their values are not passed on" in caplog.text
    assert (rows[2]["tokens"], rows[2]["entities"]) == ([], [])
    assert len(rows[3]["tags"]) == 300


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        ("conll", "anna B-PER\nleft O\noslo B-LOC\n\n"),
        ("inline", "anna/B-PER left/O oslo/B-LOC\n"),
        ("entities", "1\t0\t4\tPER\t{}\tanna\n1\t11\t15\tLOC\t{}\toslo\n"),
        ("html", '<p><mark title="{}">anna <small>PER</small></mark>  left <mark title="{}">oslo'),
    ],
)
def test_every_form_of_output(form: str, wanted: str, trained: Path) -> None:
    out = tag(trained, b"anna  left oslo\n", format=form)
    pattern = r"0\.\d{4}|1\.0000".join(map(re.escape, wanted.split("{}")))
    assert re.search(pattern if form == "html" else f"^{pattern}$", out), out


def test_entities_alone_is_a_format(trained: Path) -> None:
    text = b"anna visited oslo .\nleft . saw it\n"
    assert tag(trained, text, entities=True) == tag(trained, text, format="entities")


def test_pages_are_escaped(trained: Path) -> None:
    out = tag(trained, b"<script>alert(1)</script> & anna\n", format="html", input="text")
    assert "<script>" not in out and "&lt;" in out and "&amp;" in out


def test_a_record_that_cannot_be_read_stops_or_is_counted(trained: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = b'{"text": "anna"}\n{"text": 1}\n[1]\n{"tok\n\xff\n{"text": "oslo"}\n'
    with pytest.raises(InvalidData, match="standard input:2: 'text' holds no text: 1"):
        tag(trained, data, input="jsonl")
    skipped = tag(trained, data, input="jsonl", format="jsonl", on_error="skip").splitlines()
    assert [json.loads(line)["text"] for line in skipped] == ["anna", "oslo"]
    assert "4 records could not be read: left out" in caplog.text
    kept = tag(trained, data, input="jsonl", format="jsonl", on_error="null").splitlines()
    assert [line == "null" for line in kept] == [False, True, True, True, True, False]


def test_a_file_that_a_kill_cut_short_is_gone_on_with(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_file, "DOCUMENTS_BETWEEN", 10)
    source, whole, cut = tmp_path / "in.txt", tmp_path / "whole.html", tmp_path / "cut.html"
    source.write_text("".join(f"anna met {name} .\n" for name in ("bruno", "clara", "oslo") * 15))
    options = {"files": [str(source)], "format": "html", "input": "text"}
    predict_files.write_file(Workspace(trained), predict.Options(output=str(whole), **options), None)  # type: ignore[arg-type]

    def killed(*_: object) -> str:
        killed.calls += 1  # type: ignore[attr-defined]
        if killed.calls > 25:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        return real(*_)  # type: ignore[arg-type]

    real, killed.calls = writers.WRITERS["html"], 0  # type: ignore[attr-defined]
    monkeypatch.setitem(writers.WRITERS, "html", killed)
    with pytest.raises(KeyboardInterrupt):
        predict_files.write_file(Workspace(trained), predict.Options(output=str(cut), **options), None)  # type: ignore[arg-type]
    monkeypatch.setitem(writers.WRITERS, "html", real)
    assert 0 < len(Path(f"{cut}.partial").read_bytes()) < len(whole.read_bytes()) and not cut.exists()
    with pytest.raises(InvalidOption, match="was begun"):
        predict_files.write_file(Workspace(trained), predict.Options(output=str(cut), **options), None)  # type: ignore[arg-type]
    predict_files.write_file(Workspace(trained), predict.Options(output=str(cut), resume=True, **options), None)  # type: ignore[arg-type]
    assert cut.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob("*.p*"))
    with pytest.raises(InvalidOption, match="is whole"):
        predict_files.write_file(Workspace(trained), predict.Options(output=str(cut), resume=True, **options), None)  # type: ignore[arg-type]


def test_typed_sentences_are_shown_in_pieces(trained: Path) -> None:
    tagger = load_tagger(trained / "model")
    assert list(predict.words_of(tagger, "anna left  new lisbon.")) == [
        ("anna", "PER"),
        ("left", ""),
        ("new lisbon", "LOC"),
        (".", ""),
    ]
    assert list(predict.words_of(tagger, "")) == []


def test_a_reader_that_has_enough_ends_the_run_quietly(trained: Path, forks: Forks) -> None:
    code = f"{forks.in_shell('predict', '--input', 'text', '-w', str(trained))} | head -n 1"
    done = subprocess.run(["bash", "-c", code], input=b"anna left .\n" * 20_000, capture_output=True)
    assert done.stdout == b"anna B-PER\n"
    assert b"Traceback" not in done.stderr and b"Error" not in done.stderr, done.stderr


def test_bad_input_is_named(trained: Path) -> None:
    with pytest.raises(InvalidData, match="standard input:2: not UTF-8"):
        tag(trained, b"anna\n\xff\n", input="tokens")
    with pytest.raises(MissingInput, match="nowhere.txt: no such file"):
        tag(trained, b"", files=["nowhere.txt"])
    with pytest.raises(InvalidOption, match="no such split"):
        predict.run(Workspace(trained), predict.Options(split="validation"))
    assert tag(trained, b"") == ""


def test_tags_go_to_stdout_while_a_terminal_shows_progress(trained: Path) -> None:
    screen, terminal = pty.openpty()
    command = [sys.executable, "-m", "nertool", "predict", "--input", "text", "-w", str(trained)]
    done = subprocess.run(command, input=b"anna left oslo .\n" * 50, stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    assert done.stdout == b"anna B-PER\nleft O\noslo B-LOC\n. O\n\n" * 50
    assert b"predict" in os.read(screen, 10_000)
    os.close(screen)


def test_a_split_is_read_as_evaluate_reads_it(trained: Path, tmp_path: Path) -> None:
    """White space inside a token that is no space or line end belongs to the token."""
    workspace = Workspace(shutil.copytree(trained, tmp_path / "copy"))
    with (workspace / "test.txt").open("a") as file:
        file.write("new\u00a0lisbon B-LOC\n\u0085 O\n\n")
    predict.run(workspace, predict.Options(split="test", allow_stale=True))
    evaluate.run(workspace, evaluate.Options(split=["test"], allow_stale=True))
    tagged = (workspace / "predictions/test.conll").read_text().split("\n")[-4:]
    scored = (workspace / "evaluation/test_predictions.txt").read_text().split("\n")[-4:]
    assert [line.split(" ")[0] for line in tagged] == ["new\u00a0lisbon", "\u0085", "", ""]
    assert [line.split(" ")[0] for line in tagged] == [line.split(" ")[0] for line in scored]


# -- tags of other kinds ---------------------------------------------------------------------------


def relabelled(trained: Path, folder: Path, rename: Callable[[str], str]) -> Path:
    """A workspace whose model gives its labels other names."""
    shutil.copytree(trained, folder)
    path = folder / "model/config.json"
    config = json.loads(path.read_text())
    config["id2label"] = {number: rename(label) for number, label in config["id2label"].items()}
    config["label2id"] = {rename(label): number for label, number in config["label2id"].items()}
    path.write_text(json.dumps(config))
    calibration = json.loads((folder / "model/calibration.json").read_text())
    calibration["labels"] = list(map(rename, calibration["labels"]))
    (folder / "model/calibration.json").write_text(json.dumps(calibration))
    return folder


def test_parts_of_speech_are_no_entities(trained: Path, tmp_path: Path) -> None:
    model = relabelled(trained, tmp_path / "pos", lambda label: {"O": "NOUN"}.get(label, label.replace("-", "")))
    assert tag(model, b"anna visited oslo .\n", entities=True) == ""
    (row,) = (json.loads(line) for line in tag(model, b"anna visited oslo .\n", format="jsonl").splitlines())
    assert len(row["tags"]) == 4 and row["entities"] == []
    words = list(predict.words_of(load_tagger(model / "model"), "anna visited oslo ."))
    assert words == list(zip(row["tokens"], row["tags"], strict=True))


def test_tags_with_a_suffix_are_entities_of_their_type(trained: Path, tmp_path: Path) -> None:
    suffixed = relabelled(trained, tmp_path / "suffix", lambda label: "-".join(reversed(label.split("-"))))
    assert tag(suffixed, b"anna visited oslo .\n", entities=True) == tag(
        trained, b"anna visited oslo .\n", entities=True
    )


FORMS_OF_TOKENS = {
    "columns": "anna\tNNP\nvisited\tVBD\n\noslo\tNNP\n",
    "CoNLL-U": "# sent_id = 1\n# text = anna visited\n"
    + "".join(f"{number}\t{word}{chr(9)}{chr(9).join('_' * 8)}\n" for number, word in (("1", "anna"), ("2", "visited")))
    + f"\n1-2\tx{chr(9)}{chr(9).join('_' * 8)}\n1\toslo{chr(9)}{chr(9).join('_' * 8)}\n",
}


@pytest.mark.parametrize("data", FORMS_OF_TOKENS.values(), ids=FORMS_OF_TOKENS)
def test_files_of_columns_are_recognised(data: str, trained: Path) -> None:
    out = tag(trained, data.encode())
    assert [line.partition(" ")[0] for line in out.splitlines()] == ["anna", "visited", "", "oslo", ""]


def conllu(*words: tuple[str, str]) -> bytes:
    """Lines of CoNLL-U with these ids and forms."""
    return "".join(f"{number}\t{form}" + "\t_" * 8 + "\n" for number, form in words).encode()


def test_a_word_of_conllu_keeps_its_blanks(trained: Path) -> None:
    (row,) = tag(trained, conllu(("1", "10 000"), ("1.1", "x"), ("2", "oslo")), format="jsonl").splitlines()
    assert json.loads(row)["tokens"] == ["10 000", "oslo"]


@pytest.mark.parametrize("line", [b"2\toslo\n", b"x\toslo" + b"\t_" * 8 + b"\n", b"2\t" + b"\t_" * 8 + b"\n"])
def test_a_line_that_is_no_word_of_conllu_is_an_error(line: bytes, trained: Path) -> None:
    with pytest.raises(InvalidData, match=r"standard input:2: no word of CoNLL-U"):
        tag(trained, conllu(("1", "anna")) + line)
    assert tag(trained, conllu(("1", "anna")) + line + b"\n" + conllu(("1", "oslo")), on_error="skip").count("\n") == 2


def test_a_model_that_gives_no_number_is_an_error_that_names_the_sentence(trained: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    copy = shutil.copytree(trained, tmp_path / "copy")
    weights = load_file(copy / "model/model.safetensors")
    weights["classifier.bias"][0] = float("nan")
    save_file(weights, copy / "model/model.safetensors", metadata={"format": "pt"})
    with pytest.raises(NertoolError, match="gives no number for 'anna' in 'anna visited oslo'"):
        tag(copy, b"anna visited oslo\n", input="text")


def test_a_line_ends_at_its_line_end_alone(trained: Path) -> None:
    out = tag(trained, "anna visited\u2028oslo today\n".encode(), input="text")
    assert out.count("\n\n") == 1 and len(out.split()) == 8


def test_entities_below_their_least_probability_are_outside(
    trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unsure = shutil.copytree(trained, tmp_path / "unsure")
    calibration = json.loads((unsure / "model/calibration.json").read_text())
    (unsure / "model/calibration.json").write_text(json.dumps({**calibration, "temperature": 5.0}))
    rows = [line.split("\t") for line in tag(unsure, b"anna visited oslo .\n", entities=True).splitlines()]
    assert [row[3] for row in rows] == ["PER", "LOC"]
    least = f"PER={(float(rows[0][4]) + 1) / 2}"  # above what the model says
    kept = tag(unsure, b"anna visited oslo .\n", entities=True, min_score=[least])
    assert [line.split("\t")[3] for line in kept.splitlines()] == ["LOC"]
    assert "1 entity below their least probability" in caplog.text
    assert "B-PER" not in tag(unsure, b"anna visited oslo .\n", min_score=[least])


@pytest.mark.parametrize("value", ["2", "-0.1", "PER", "PER=", "PER=nan", "=0.5", "GPE=0.5", "high"])
def test_a_least_probability_that_is_none_is_refused(value: str, trained: Path) -> None:
    with pytest.raises(InvalidOption, match="--min-score"):
        tag(trained, b"anna\n", min_score=[value])


def test_kept_thresholds_hold_where_they_are_asked_for(copy: Workspace, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="there is no file"):
        tag(copy.path, b"anna visited oslo .\n", thresholds="own")
    labels = json.loads((copy / "model/calibration.json").read_text())["labels"]
    (copy / "model/calibration.json").write_text(json.dumps({"temperature": 5.0, "labels": labels}))
    point = {"type": "PER", "threshold": 1.0}
    (copy / "model/thresholds.json").write_text(json.dumps({"points": [point], "labels": labels}))
    assert "B-PER" in tag(copy.path, b"anna visited oslo .\n")
    shutil.copy(copy / "model/thresholds.json", tmp_path / "mine.json")
    for name in ("own", str(tmp_path / "mine.json")):
        out = tag(copy.path, b"anna visited oslo .\n", thresholds=name)
        assert "PER" not in out and "B-LOC" in out
    options = {"split": "test", "allow_stale": True}
    assert predict.run(copy, predict.Options(thresholds="own", **options)).facts["below"] == 20
    assert predict.run(copy, predict.Options(thresholds="own", **options)).fresh
    assert predict.run(copy, predict.Options(**options)).facts["below"] == 0
    (tmp_path / "mine.json").write_text(json.dumps({"points": [point], "labels": ["O"]}))
    with pytest.raises(InvalidData, match="other labels"):
        tag(copy.path, b"anna\n", thresholds=str(tmp_path / "mine.json"))
    with pytest.raises(InvalidOption, match="Give one|both set"):
        predict.Options(thresholds="own", min_score=["0.5"])


def test_text_is_redacted_line_by_line(trained: Path, tmp_path: Path) -> None:
    lines = b"\n  anna visited  oslo. \r\n\nclara saw oslo .\nbruno left new lisbon"
    out = tag(trained, lines, format="redacted", input="text")
    assert out == "\n  [PER] visited  [LOC]. \r\n\n[PER] saw [LOC] .\n[PER] left [LOC]\n"
    assert tag(trained, lines, format="redacted", input="text", mask="*", types="LOC").splitlines()[-1] == (
        "bruno left **********"
    )
    assert tag(trained, lines, format="redacted", input="document") == out
    assert tag(trained, b"anna\nleft\noslo\n\n", format="redacted", input="tokens") == "[PER] left [LOC]\n"
    gaps = tag(
        trained, b"anna left oslo .\n\xff\nbruno saw vienna .\n", format="redacted", input="text", on_error="null"
    )
    assert gaps == "[PER] left [LOC] .\n\n[PER] saw [LOC] .\n"
    with pytest.raises(InvalidOption, match="no type 'GPE'"):
        tag(trained, lines, format="redacted", types="GPE")


def test_records_are_redacted_with_a_map(trained: Path) -> None:
    rows = [{"text": "anna left oslo .", "id": 1}, {"tokens": ["anna", "left"], "text": "anna left"}]
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    first, second = map(json.loads, tag(trained, data, format="redacted").splitlines())
    assert (first["text"], first["id"]) == ("[PER] left [LOC] .", 1)
    places = [tuple(place[key] for key in ("start", "end", "new_start", "new_end")) for place in first["redactions"]]
    assert places == [(0, 4, 0, 5), (10, 14, 11, 16)]
    assert second["text"] == "[PER] left" and second.keys() == {"text", "redactions"}
    assert json.loads(tag(trained, b'["anna left"]', format="redacted"))["text"] == "[PER] left"


def test_what_is_below_its_least_probability_is_redacted_where_recall_comes_first(copy: Workspace) -> None:
    labels = json.loads((copy / "model/calibration.json").read_text())["labels"]
    (copy / "model/calibration.json").write_text(json.dumps({"temperature": 5.0, "labels": labels}))
    options = {"format": "redacted", "input": "text", "min_score": ["PER=1"]}
    assert tag(copy.path, b"anna left oslo .\n", **options) == "anna left [LOC] .\n"
    assert tag(copy.path, b"anna left oslo .\n", recall_first=True, **options) == "[PER] left [LOC] .\n"
    result = predict.run(copy, predict.Options(split="test", format="redacted", mask="#", allow_stale=True))
    written = (copy / "predictions/test.redacted").read_text().splitlines()
    assert len(written) == result.facts["sentences"] and all("#" in line for line in written)


def test_a_redacted_file_goes_on_with_the_same_options(trained: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.txt", tmp_path / "out"
    source.write_text("anna left oslo .\n\n" * 3)
    options = {"files": [str(source)], "output": str(out), "format": "redacted", "input": "text"}
    predict_files.write_file(Workspace(trained), predict.Options(**options), None)
    whole = out.read_text()
    assert whole == "[PER] left [LOC] .\n\n" * 3
    made_of = predict_files._made_of(Workspace(trained), predict.Options(**options))
    head = whole.splitlines(keepends=True)[:2]
    (tmp_path / "out.partial").write_text("".join(head) + "rest")
    progress = {"documents": 2, "bytes": len("".join(head)), "made_of": made_of}
    (tmp_path / "out.progress").write_text(json.dumps(progress))
    out.unlink()
    with pytest.raises(InvalidOption, match="begun with other mask"):
        predict_files.write_file(Workspace(trained), predict.Options(mask="*", resume=True, **options), None)
    predict_files.write_file(Workspace(trained), predict.Options(resume=True, **options), None)
    assert out.read_text() == whole


# -- annotation ------------------------------------------------------------------------------------


def test_pre_annotations_name_the_model_and_leave_out_what_has_no_token(
    copy: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    data = b'{"text": "anna left oslo .", "id": 1}\n{"text": " "}\n{"tokens": []}\n{"tokens": ["bruno"]}\n'
    first, second = json.loads(tag(copy.path, data, format="label-studio"))
    assert "2 texts without a token: left out" in caplog.text
    assert first["data"] == {"id": 1, "text": "anna left oslo ."} and second["data"] == {"text": "bruno"}
    values = [region["value"] for region in first["predictions"][0]["result"]]
    assert values == [
        {"start": 0, "end": 4, "text": "anna", "labels": ["PER"]},
        {"start": 10, "end": 14, "text": "oslo", "labels": ["LOC"]},
    ]
    version = first["predictions"][0]["model_version"]
    (copy / "model/extra").write_text("another model\n")
    (third,) = json.loads(tag(copy.path, b"anna\n", format="label-studio"))
    assert re.fullmatch(r"model-[0-9a-f]{8}", version) and third["predictions"][0]["model_version"] != version
    assert json.loads(tag(copy.path, b"", format="label-studio")) == []


def test_a_split_is_pre_annotated(copy: Workspace) -> None:
    options = predict.Options(split="test", format="label-studio", allow_stale=True)
    facts = predict.run(copy, options).facts
    assert len(json.loads((copy / "predictions/test.label-studio.json").read_text())) == facts["sentences"] > 0


def test_a_list_that_was_begun_is_gone_on_with(trained: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.txt", tmp_path / "out"
    source.write_text("anna left oslo .\n\n" * 3)
    options = {"files": [str(source)], "output": str(out), "format": "label-studio", "input": "text"}
    predict_files.write_file(Workspace(trained), predict.Options(**options), None)
    whole = out.read_text()
    assert len(json.loads(whole)) == 3
    head = "".join(whole.splitlines(keepends=True)[:3]).removesuffix(",\n")
    (tmp_path / "out.partial").write_text(head)
    made_of = predict_files._made_of(Workspace(trained), predict.Options(**options))
    progress = {"documents": 2, "bytes": len(head), "made_of": made_of}
    (tmp_path / "out.progress").write_text(json.dumps(progress))
    out.unlink()
    predict_files.write_file(Workspace(trained), predict.Options(resume=True, **options), None)
    assert out.read_text() == whole


def test_the_least_certain_comes_first(trained: Path, tmp_path: Path) -> None:
    lines = ["anna left oslo .", "anna left oslo !", "zzz qqq anna new", "bruno saw vienna ."]
    data = "".join(f"{line}\n" for line in lines).encode()

    def order(**options: Any) -> list[str]:
        rows = tag(trained, data, input="text", format="jsonl", order="uncertain", **options).splitlines()
        return [json.loads(row)["text"] for row in rows]

    assert order()[0] == lines[2] and sorted(order()) == sorted(lines)
    assert order(first=2) == order()[:2] and sorted(order(diverse=True)) == sorted(lines)
    source, out = tmp_path / "in.txt", tmp_path / "out"
    source.write_bytes(data)
    options = {"files": [str(source)], "input": "text", "format": "doccano", "order": "uncertain", "first": 3}
    predict_files.write_file(Workspace(trained), predict.Options(output=str(out), **options), None)
    assert [json.loads(line)["text"] for line in out.read_text().splitlines()] == order(first=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "out"]


def test_what_is_labelled_is_not_asked_for_again(
    trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever cuts them into tokens, and only where every sentence of a document is labelled."""
    labelled = tmp_path / "labelled"
    shutil.copytree(trained, labelled)
    (labelled / "test.txt.tmp").write_text("anna's B-PER\ncat O\n\nwhere O\n\n")
    lines = ["anna ' s cat", "zzz qqq anna new", "where", "where is anna"]
    data = json.dumps([*lines, "where\nis anna"]).encode()
    options = {"order": "uncertain", "new": True, "allow_stale": True}
    rows = json.loads(tag(labelled, data, format="label-studio", **options))
    assert sorted(row["data"]["text"] for row in rows) == ["where\nis anna", "where is anna", "zzz qqq anna new"]
    assert "2 documents that train, dev or test already hold: left out" in caplog.text
    for split in ("train", "dev", "test"):
        (labelled / f"{split}.txt.tmp").unlink()
        (labelled / f"{split}.txt").unlink()
    with pytest.raises(MissingInput, match="holds no train, dev or test"):
        tag(labelled, data, **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"diverse": True}, "--diverse is for --order uncertain"),
        ({"first": 3}, "--first is for --order uncertain"),
        ({"new": True}, "--new is for --order uncertain"),
        ({"order": "uncertain", "split": "test"}, "is for files and standard input"),
        ({"order": "uncertain", "interactive": True}, "is for files and standard input"),
        ({"order": "uncertain", "output": "out", "resume": True}, "known only when all is tagged"),
        ({"format": "prodigy", "on_error": "null"}, "imports no gaps"),
    ],
)
def test_selections_that_cannot_be_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidOption, match=said):
        predict.Options(**options)


def test_what_is_left_is_a_valid_sequence() -> None:
    tagging = Tagging(["I-PER", "B-PER", "I-PER"], [0.9] * 3, span_scores=[0.2, 0.8])
    kept = Thresholds({"": 0.5}, "iob1").apply(tagging)
    assert (kept.tags, kept.span_scores) == (["O", "I-PER", "I-PER"], [0.8])
