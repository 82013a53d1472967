"""Pre-annotations: as the tools import them, and the same spans when nertool reads them again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nertool.corpus.running_text import CHARACTERS, Words, cut_text, line_offsets
from nertool.documents.annotation_tools import PreAnnotations
from nertool.documents.document import Document
from nertool.documents.labelled import Labelled
from nertool.documents.writers import head_of, separated
from nertool.errors import InvalidOption
from nertool.models.tagging import Tagging
from nertool.sources.readers.char_spans import tag_texts
from nertool.sources.readers.layout import Layout
from nertool.sources.readers.span_records import SpanRecords
from nertool.sources.readers.tally import Tally
from nertool.tags import spans

TOOLS = ("label-studio", "doccano", "prodigy")
TEXT = st.text(
    st.sampled_from("ab.-_ \n\r\t😀🇨🇭👩\u200dé\u0301人京กا\u2028\u00a0\u00ad\ufeff") | st.characters(codec="utf-8")
)
TAG = st.sampled_from(["O", "O", "B-PER", "I-PER", "B-LOC"])


@st.composite
def documents(draw: st.DrawFn, text: st.SearchStrategy[str] = TEXT) -> tuple[Document, list[Tagging]]:
    """A text, cut as predict cuts it, with random tags."""
    said = draw(text)
    sentences = [cut_text(said, start, end) for start, end in line_offsets(said)]
    sentences = [words for words in sentences if words.tokens]
    taggings = []
    for words in sentences:
        tags = draw(st.lists(TAG, min_size=len(words.tokens), max_size=len(words.tokens)))
        tagging = Tagging(tags, [0.75] * len(tags))
        tagging.span_scores = [0.5] * len(tagging.spans())
        taggings.append(tagging)
    return Document(3, sentences, said, {"id": 7, "answer": "reject", "spans": [[0, 1, "X"]]}, is_record=True), taggings


def tagged(text: str, *tags: str) -> tuple[Document, list[Tagging]]:
    """A text of one sentence."""
    tagging = Tagging(list(tags), [0.75] * len(tags))
    tagging.span_scores = [0.5] * len(tagging.spans())
    return Document(1, [cut_text(text, 0, len(text))], text), [tagging]


def accepted(row: dict[str, Any]) -> dict[str, Any]:
    """The row when a person has accepted it: Label Studio's prediction is an annotation then."""
    if "predictions" not in row:
        return row
    return {"data": row["data"], "annotations": [{"result": row["predictions"][0]["result"]}]}


def entities_of_reader(row: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Type and tokens of each entity, as nertool reads a row."""
    tally = Tally()
    layout = Layout(tokenizer=CHARACTERS)
    texts = list(SpanRecords("a.jsonl", layout, tally).read([(1, accepted(row))]))
    found = []
    for sentence in tag_texts(texts, layout, tally):
        found += [(label, sentence.tokens[start:end]) for label, start, end in spans(sentence.tags)]
    return found


@pytest.mark.parametrize("tool", TOOLS)
@settings(max_examples=150)
@given(documents())
@example(tagged("😀人人", "O", "B-PER", "O"))  # counted in UTF-16, the next character would be tagged
@example(tagged("😀😀 a a", "O", "O", "B-PER", "O"))
def test_out_and_in_again_the_same_spans(tool: str, document: tuple[Document, list[Tagging]]) -> None:
    said, taggings = document
    wanted = []
    for words, tagging in zip(said.sentences, taggings, strict=True):
        wanted += [(label, words.tokens[start:end]) for label, start, end in tagging.spans()]
    assert entities_of_reader(json.loads(PreAnnotations(tool).write(said, taggings))) == wanted


@pytest.mark.parametrize("tool", TOOLS)
def test_a_line_is_a_sentence_again(tool: str) -> None:
    said = "Anna met\r\n\r\n Bruno . \nOslo\rBern"
    sentences = [cut_text(said, start, end) for start, end in line_offsets(said)]
    sentences = [words for words in sentences if words.tokens]
    row = PreAnnotations(tool).row(
        Document(1, sentences, said), [Tagging(["O"] * len(s.tokens), []) for s in sentences]
    )
    texts = SpanRecords("a.jsonl", Layout(), Tally()).read([(1, accepted(row))])
    found = [sentence.tokens for sentence in tag_texts(texts, Layout(), Tally())]
    assert found == [["Anna", "met"], ["Bruno", "."], ["Oslo"], ["Bern"]]


@pytest.mark.parametrize("split", [[["Anna left", "She ran"]], [["Anna left"], ["She ran"]]])
def test_what_is_labelled_is_known_however_it_was_split(split: list[list[str]], tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("".join("".join(f"{w} O\n" for w in " ".join(line).split()) + "\n" for line in split))
    known = Labelled([path])
    both = [Words(["Anna", "left"]), Words(["She", "ran"])]
    assert known.holds(Document(1, both)) and not known.holds(Document(1, [*both, Words(["Bo"])]))
    assert not known.holds(Document(1, [])) and not known.holds(Document(1, [Words(["Anna"])]))


@settings(max_examples=150)
@given(documents())
def test_label_studio_takes_the_tasks(document: tuple[Document, list[Tagging]]) -> None:
    said, taggings = document
    row = PreAnnotations("label-studio", "model-1a").row(said, taggings)
    assert row.keys() == {"data", "predictions"} and row["data"]["text"] == said.text and row["data"]["id"] == 7
    (prediction,) = row["predictions"]
    assert prediction["model_version"] == "model-1a" and 0 <= prediction["score"] <= 1
    assert len({region["id"] for region in prediction["result"]}) == len(prediction["result"])
    for region in prediction["result"]:
        assert region.keys() == {"id", "from_name", "to_name", "type", "value", "score"}
        assert (region["from_name"], region["to_name"], region["type"]) == ("label", "text", "labels")
        value = region["value"]
        assert value.keys() == {"start", "end", "text", "labels"} and value["labels"] in (["PER"], ["LOC"])
        assert value["text"] == row["data"]["text"][value["start"] : value["end"]] != ""


@settings(max_examples=150)
@given(documents())
def test_doccano_takes_the_lines(document: tuple[Document, list[Tagging]]) -> None:
    said, taggings = document
    row = PreAnnotations("doccano").row(said, taggings)
    in_utf16 = said.text.encode("utf-16-le", "surrogatepass") if said.text else b""
    assert row["text"] == said.text and row["meta"]["id"] == 7
    assert row["offsets"] == "UTF-16"
    end = 0
    for start, stop, label in row["label"]:
        assert type(start) is type(stop) is int and end <= start < stop and label in ("PER", "LOC")
        assert in_utf16[2 * start : 2 * stop].decode("utf-16-le")
        end = stop


@settings(max_examples=150)
@given(documents())
def test_prodigy_takes_the_lines(document: tuple[Document, list[Tagging]]) -> None:
    said, taggings = document
    row = PreAnnotations("prodigy").row(said, taggings)
    assert row.keys() == {"text", "tokens", "spans", "meta"} and 0 <= row["meta"]["score"] <= 1
    text, end = row["text"], 0
    for number, token in enumerate(row["tokens"]):
        assert token["id"] == number and end <= token["start"] < token["end"] <= len(text)
        assert token["text"] == text[token["start"] : token["end"]]
        assert token["ws"] == text[token["end"] : token["end"] + 1].isspace()
        end = token["end"]
    for span in row["spans"]:
        assert row["tokens"][span["token_start"]]["start"] == span["start"] < span["end"]
        assert row["tokens"][span["token_end"]]["end"] == span["end"] and span["label"] in ("PER", "LOC")


def test_tokens_without_a_text_are_joined() -> None:
    tagging = Tagging(["B-PER", "I-PER", "O"], [0.9, 0.8, 1.0], span_scores=[0.7])
    document = Document(1, [Words(["Anna", "Keller", "left"])])
    row = PreAnnotations("prodigy").row(document, [tagging])
    assert row["text"] == "Anna Keller left" and [token["ws"] for token in row["tokens"]] == [True, True, False]
    assert row["spans"] == [
        {"start": 0, "end": 11, "label": "PER", "token_start": 0, "token_end": 1, "score": 0.7},
    ]
    assert row["meta"] == {"score": 0.8}


def test_a_list_is_one_whether_it_is_empty_begun_or_new() -> None:
    for texts, begun in (([], False), (["1"], False), (["1", "2"], False), ([], True), (["3"], True)):
        head = "[1" if begun else head_of("label-studio")
        whole = head + "".join(separated("label-studio", texts, begun))
        assert json.loads(whole) == [1] * begun + list(map(int, texts))
    assert list(separated("doccano", ["a\n"])) == ["a\n"] and head_of("doccano") == ""


def test_tags_that_are_no_entities_are_refused() -> None:
    with pytest.raises(InvalidOption, match="no entities"):
        PreAnnotations("doccano").check(["NN", "VB"])
    PreAnnotations("doccano").check(["B", "I", "O"])


def test_a_doccano_file_that_says_so_is_read_in_utf16() -> None:
    row = {"text": "😀 ab c", "label": [[3, 5, "PER"]], "offsets": "UTF-16", "id": 1, "Comments": []}
    assert entities_of_reader(row) == [("PER", ["ab"])]
