"""Preprocess: the original script's few lines as oracle, what is counted and said, and what is refused."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import re
import subprocess
import sys
import tempfile
from functools import partial
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from helpers import DATA
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nertool.corpus import blocks as line_blocks
from nertool.corpus import line_cache
from nertool.corpus.blocks import read_blocks
from nertool.corpus.facts import LengthCounts
from nertool.corpus.line_cache import LineCache
from nertool.corpus.max_length import LengthLimit
from nertool.errors import InvalidData, InvalidOption, MissingInput, NertoolError
from nertool.models.encode import count_subwords
from nertool.models.names import load_tokenizer
from nertool.stages import check, download, labels, preprocess
from nertool.stages.preprocess import Options
from nertool.tags import spans
from nertool.workspace.workspace import Workspace

SPLITS = ("train", "dev", "test")
GONE = ["\x96", "\x80\x96", "\u200b", "\xad", "\x01", "\ufffd"]
TOKEN = st.one_of(
    st.sampled_from(
        ["anna", "oslo", "Vienna", "visited", ".", "#x", "[SEP]", "[PAD]", "\x85", "\x1c", "a\xa0b", *GONE]
    ),
    st.text(st.sampled_from("abcxyz019-'@"), min_size=1, max_size=40),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r\n"), min_size=1, max_size=4),
)
TAG = st.sampled_from([" O", " B-X", " I-X", " I-X", " E-X", " I-Y", " S-Y", " L-Y", " PROPN"])
LINE = st.one_of(
    st.sampled_from(["", "", " ", "\t", "  \x0b"]),
    st.builds(str.__add__, TOKEN, TAG),
    st.builds(str.__add__, TOKEN, st.sampled_from([" O", "  O ", "\tO", " O\x96", " O\r", "", " ", " x B-X"])),
)
CONTENT = st.builds(lambda lines, end: "\n".join(lines) + end, st.lists(LINE, max_size=30), st.sampled_from(["", "\n"]))
SHORT, MANY = st.integers(1, 40), st.just(1000)


def byte_level(folder: Path) -> Path:
    """A byte-level BPE tokenizer, trained on a few words: every token has sub-words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special, alphabet = ["<s>", "</s>", "<pad>"], pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=280, show_progress=False, initial_alphabet=alphabet, special_tokens=special
    )
    tokenizer.train_from_iterator(["anna visited oslo", "anna left vienna"], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>").save_pretrained(folder)
    return folder


class Kind(NamedTuple):
    """A tokenizer as a stage loads it, and the one that the original script asks."""

    loaded: Any
    scripts: Any


@pytest.fixture(scope="module")
def cutting_model(tiny_model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same tokenizer, told in its own file to cut what is long and to pad what is short."""
    folder = tmp_path_factory.mktemp("cutting-model")
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.backend_tokenizer.enable_truncation(max_length=3)
    tokenizer.backend_tokenizer.enable_padding(length=5)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tokenizers(tiny_model: str, cutting_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    """WordPiece by the fast tokenizer, by the slow one, by one that would cut and pad; and byte-level BPE."""
    from transformers import BertTokenizer

    bytes_model = str(byte_level(tmp_path_factory.mktemp("bytes-model")))
    cutting = load_tokenizer(str(cutting_model))
    assert cutting.backend_tokenizer.truncation and cutting.backend_tokenizer.padding
    return {
        "fast": Kind(load_tokenizer(tiny_model), load_tokenizer(tiny_model)),
        "slow": Kind(BertTokenizer.from_pretrained(tiny_model), BertTokenizer.from_pretrained(tiny_model)),
        "bytes": Kind(load_tokenizer(bytes_model), load_tokenizer(bytes_model)),
        "cutting": Kind(cutting, load_tokenizer(tiny_model)),
    }


def script(path: Path, tokenizer: Any, max_length: int) -> str:
    """What the original script prints."""
    printed = ""
    counter = 0
    max_length -= tokenizer.num_special_tokens_to_add()
    with path.open(encoding="utf-8") as file:
        for line in file:
            line = line.rstrip()
            if not line:
                printed += line + "\n"
                counter = 0
                continue
            length = len(tokenizer.tokenize(line.split()[0]))
            if length == 0:
                continue
            if counter + length > max_length:
                printed += "\n" + line + "\n"
                counter = length
                continue
            counter += length
            printed += line + "\n"
    return printed


def fitted(path: Path, tokenizer: Any, budget: int, keep_entities: bool = False) -> tuple[str, LengthCounts]:
    """What the stage makes of a file."""
    cache = LineCache(partial(count_subwords, tokenizer))
    limit = LengthLimit(cache, budget, keep_entities, path)
    written = ""
    for block in read_blocks(path):
        cache.add(block, path)
        written += "".join(limit.apply(block))
    return written, limit.finish()


class Word(NamedTuple):
    """A line with a token: its tag, its sub-words, and how many blank lines stand before it."""

    tag: str
    length: int
    blanks: int


def words(text: str, tokenizer: Any) -> list[Word]:
    found, blanks = [], 0
    for line in io.StringIO(text, newline=None):
        line = line.rstrip()
        if line:
            tag = line.rpartition(" ")[2] if " " in line else "O"
            found.append(Word(tag, len(tokenizer.tokenize(line.split()[0])), blanks))
        blanks += not line
    return found


def are_one_entity(first: str, second: str) -> bool:
    return any(span.label and (span.start, span.end) == (0, 2) for span in spans([first, second]))


def counted(before: str, after: str, tokenizer: Any) -> LengthCounts:
    """The counts, from the files alone."""
    stripped = [line.strip() for line in io.StringIO(before, newline=None)]
    kept = after.split("\n")[:-1]
    sentences = sum(bool(line) and not last for line, last in zip(kept, ["", *kept], strict=False))
    tokens = sum(map(bool, kept))
    there, now = [word for word in words(before, tokenizer) if word.length], words(after, tokenizer)
    cut = sum(
        there[n - 1].blanks == there[n].blanks
        and now[n - 1].blanks != now[n].blanks
        and are_one_entity(now[n - 1].tag, now[n].tag)
        for n in range(1, len(now))
    )
    return {
        "sentences": sentences,
        "tokens": tokens,
        "dropped": sum(map(bool, stripped)) - tokens,
        "breaks": kept.count("") - stripped.count(""),
        "cut": cut,
    }


def listen(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catch what the stages say, as much as the command line shows."""
    monkeypatch.setattr(logging.getLogger("nertool"), "propagate", True)
    caplog.set_level(logging.INFO, "nertool")


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "nertool"]


def write(folder: Path, train: str | bytes) -> Workspace:
    folder.mkdir(exist_ok=True)
    (folder / "train.txt.tmp").write_bytes(train.encode() if isinstance(train, str) else train)
    return Workspace(folder)


@pytest.mark.parametrize("kind", ["fast", "slow", "bytes", "cutting"])
@settings(max_examples=100, deadline=None)
@given(content=CONTENT, budget=st.integers(1, 14), block=SHORT, longest=SHORT | MANY, remembered=SHORT | MANY)
@example(content="a O\nb B-X\ncd I-X\n", budget=3, block=1, longest=1, remembered=1)  # cut where a block ends
def test_any_file_becomes_what_the_original_script_prints(
    kind: str, content: str, budget: int, block: int, longest: int, remembered: int, tokenizers: dict[str, Kind]
) -> None:
    loaded, scripts = tokenizers[kind]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_blocks, "LINES_AHEAD", block)
        patch.setattr(line_blocks, "LONGEST_SENTENCE", longest)
        patch.setattr(line_cache, "REMEMBERED_LINES", remembered)
        path = Path(folder) / "file.txt.tmp"
        path.write_text(content, encoding="utf-8", newline="\n")
        after, counts = fitted(path, loaded, budget)
        assert after == script(path, scripts, budget + scripts.num_special_tokens_to_add())
        assert counts == counted(content, after, scripts)


@settings(max_examples=40, deadline=None)
@given(content=CONTENT, block=SHORT, longest=SHORT)
def test_blocks_hold_every_line_and_end_inside_a_sentence_only_where_it_is_too_long(
    content: str, block: int, longest: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_blocks, "LINES_AHEAD", block)
        patch.setattr(line_blocks, "LONGEST_SENTENCE", longest)
        path = Path(folder) / "file.txt.tmp"
        path.write_text(content, encoding="utf-8", newline="\n")
        blocks = list(read_blocks(path))
        whole = list(io.StringIO(content, newline=None))
    assert [line for found in blocks for line in found.lines] == whole
    assert all(whole[found.first - 1 :][: len(found.lines)] == found.lines for found in blocks)
    for found in blocks[:-1]:
        assert not found.lines[-1].strip() or len(found.lines) == block + longest
        assert not any(not line.strip() for line in found.lines[block - 1 : -1]), "no further than need be"


def test_what_is_known_of_lines_is_forgotten_before_it_grows_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_blocks, "LINES_AHEAD", 4)
    monkeypatch.setattr(line_cache, "REMEMBERED_LINES", 10)
    path = tmp_path / "file.txt.tmp"
    path.write_text("".join(f"a{number}\xa0b O \n\n" for number in range(100)), encoding="utf-8")
    cache = LineCache(lambda tokens: [len(token) for token in tokens])
    for block in read_blocks(path):
        cache.add(block, path)
        assert all(cache.lengths[line] == len(cache.tokens[line]) for line in block.lines if line.strip())
        for table in (cache.tokens, cache.tags, cache.lengths, cache.printed, cache.odd):
            assert len(table) <= 10 + 4


@pytest.mark.parametrize("kind", ["fast", "slow"])
@pytest.mark.parametrize(
    ("content", "budget", "wanted"),
    [
        ("abc O\nde O\n", 5, "abc O\nde O\n"),
        ("abc O\nde O\n", 4, "abc O\n\nde O\n"),
        ("abcdef O\na O\n", 3, "\nabcdef O\n\na O\n"),
        ("a O\n\nabcdef O\n\na O\n", 3, "a O\n\n\nabcdef O\n\na O\n"),
        ("\n\n\na O\n\n\nb O\n\n\n", 3, "\n\n\na O\n\n\nb O\n\n\n"),
        ("ab O\n\x96 O\nc O\n", 3, "ab O\nc O\n"),
        ("\x96 O\n\n\x96 O\na O", 3, "\na O\n"),
        ("ab B-X\ncd I-X\n", 3, "ab B-X\n\ncd I-X\n"),
        ("a O  \nb\tO\t\n \t \nc\n", 3, "a O\nb\tO\n\nc\n"),
        ("ab O\r\n\r\ncd O\re O\r\n", 3, "ab O\n\ncd O\ne O\n"),
        ("\x85 abcd O\n", 3, "\n\x85 abcd O\n"),
        ("", 3, ""),
    ],
)
def test_the_rules_one_by_one(
    kind: str, content: str, budget: int, wanted: str, tokenizers: dict[str, Kind], tmp_path: Path
) -> None:
    path = tmp_path / "file.txt.tmp"
    path.write_text(content, encoding="utf-8", newline="")
    assert fitted(path, tokenizers[kind].loaded, budget)[0] == wanted
    assert script(path, tokenizers[kind].scripts, budget + 2) == wanted


def test_a_run_writes_every_split_and_counts(tiny_model: str, tokenizers: dict[str, Kind], tmp_path: Path) -> None:
    workspace = write(tmp_path, "anna O\n\x96 O\n" + "abcdefgh O\n" * 3 + "\n\n\u200b O\n\n")
    (tmp_path / "test.txt.tmp").write_text("oslo B-LOC")
    result = preprocess.run(workspace, Options(model=tiny_model, max_length=20))
    for split in ("train", "test"):
        written = (workspace / f"{split}.txt").read_bytes().decode()
        assert written == script(workspace / f"{split}.txt.tmp", tokenizers["slow"].scripts, 20)
    assert not (workspace / "dev.txt").exists()
    assert {split: result.facts[split] for split in ("train", "test")} == {
        "train": {"sentences": 2, "tokens": 4, "dropped": 2, "breaks": 1, "cut": 0},
        "test": {"sentences": 1, "tokens": 1, "dropped": 0, "breaks": 0, "cut": 0},
    }
    assert result.facts.keys() == {"train", "test", "findings"}
    assert workspace.facts("preprocess") == result.facts


def test_exactly_the_maximum_length_fits(tiny_model: str, tmp_path: Path) -> None:
    workspace = write(tmp_path, "abcdefgh O\n")
    assert preprocess.run(workspace, Options(model=tiny_model, max_length=10)).facts["train"]["breaks"] == 0
    assert preprocess.run(workspace, Options(model=tiny_model, max_length=9)).facts["train"]["breaks"] == 1


def test_what_is_dropped_or_broken_is_said(
    tiny_model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen(caplog, monkeypatch)
    workspace = write(tmp_path, "\x96 O\nanna O\n\x96 O\n" + "abcdefgh O\n" * 3)
    (tmp_path / "dev.txt.tmp").write_text("\x80 O\nanna O\n", encoding="utf-8")
    preprocess.run(workspace, Options(model=tiny_model, max_length=20))
    assert said(caplog) == [
        "tokens without sub-words, dropped: 2 in train, 1 in dev",
        "blank lines put in, so that no sentence passes 20 sub-words: 1 in train",
    ]


@pytest.mark.parametrize("block", [1, 3, 50_000])
def test_with_verbose_each_dropped_token_is_listed_once_with_file_and_line(
    block: int,
    tiny_model: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also in a sentence that is too long, where breaks are looked for more than once."""
    listen(caplog, monkeypatch)
    monkeypatch.setattr(line_blocks, "LINES_AHEAD", block)
    workspace = write(
        tmp_path, "anna O\n\x96 B-X\n\noslo O\n\n" + "abcdefgh O\n" * 3 + "\u200b O\nanna O\n\n\x96 B-X\n"
    )
    with caplog.at_level(logging.DEBUG, "nertool"):
        preprocess.run(workspace, Options(model=tiny_model, max_length=20))
    train = workspace / "train.txt.tmp"
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG] == [
        f"{train}:2: dropped, no sub-words: '\\x96 B-X'",
        f"{train}:9: dropped, no sub-words: '\\u200b O'",
        f"{train}:12: dropped, no sub-words: '\\x96 B-X'",
    ]
    caplog.clear()
    with caplog.at_level(logging.INFO, "nertool"):
        preprocess.run(workspace, Options(model=tiny_model, max_length=20, force=True))
    assert not any("x96" in message for message in said(caplog))


def test_a_dropped_token_is_listed_with_its_line_in_the_file_also_where_lines_before_it_were_mended_away(
    tiny_model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen(caplog, monkeypatch)
    workspace = write(tmp_path, "\n\nanna O\n\n\n\x96 O\noslo O\n")
    with caplog.at_level(logging.DEBUG, "nertool"):
        preprocess.run(workspace, Options(model=tiny_model, repair=True))
    assert f"{workspace / 'train.txt.tmp'}:6: dropped, no sub-words: '\\x96 O'" in said(caplog)


def test_nothing_is_said_where_nothing_is_lost(
    workspace: Workspace, tiny_model: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen(caplog, monkeypatch)
    preprocess.run(workspace, Options(model=tiny_model))
    assert said(caplog) == []
    for split in SPLITS:
        assert (workspace / f"{split}.txt").read_bytes() == (workspace / f"{split}.txt.tmp").read_bytes()


def test_a_second_run_is_fresh_and_another_length_or_file_runs_again(workspace: Workspace, tiny_model: str) -> None:
    assert not preprocess.run(workspace, Options(model=tiny_model)).fresh
    record = (workspace / "workspace.json").read_bytes()
    assert preprocess.run(workspace, Options(model=tiny_model)).fresh
    assert (workspace / "workspace.json").read_bytes() == record
    assert preprocess.run(workspace, Options(model=tiny_model, max_length=30)).why == "again: max length is another"
    with (workspace / "dev.txt.tmp").open("a") as dev:
        dev.write("anna B-PER\n")
    assert preprocess.run(workspace, Options(model=tiny_model, max_length=30)).why == "again: dev.txt.tmp changed"
    assert (workspace / "dev.txt").read_text().endswith("\nanna B-PER\n")


@pytest.mark.parametrize("max_length", [2, 1, 0, -5])
def test_a_length_without_room_is_refused(workspace: Workspace, tiny_model: str, max_length: int) -> None:
    with pytest.raises(InvalidOption, match=f"--max-length {max_length}: out of range"):
        preprocess.run(workspace, Options(model=tiny_model, max_length=max_length))
    assert not (workspace / "train.txt").exists()
    assert workspace.records() == {}


@pytest.mark.model
def test_a_model_that_is_not_there_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="no tokenizer for --model") as error:
        preprocess.run(workspace, Options(model=str(tmp_path / "nothing")))
    assert "minilm" in error.value.hint


def test_without_download_the_command_that_helps_is_named(tmp_path: Path, tiny_model: str) -> None:
    with pytest.raises(MissingInput, match=r"train\.txt\.tmp is missing") as error:
        preprocess.run(Workspace(tmp_path), Options(model=tiny_model))
    assert error.value.hint == f"Run: nertool download RECIPE -w {tmp_path} (or name your own file: --train-file FILE)"


# -- entities kept whole ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fast", "slow", "bytes"])
@settings(max_examples=100, deadline=None)
@given(content=CONTENT, budget=st.integers(1, 14), block=SHORT)
def test_a_break_goes_before_any_entity_that_fits_the_length(
    kind: str, content: str, budget: int, block: int, tokenizers: dict[str, Kind]
) -> None:
    loaded, scripts = tokenizers[kind]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_blocks, "LINES_AHEAD", block)
        path = Path(folder) / "file.txt.tmp"
        path.write_text(content, encoding="utf-8", newline="\n")
        cutting, cuts = fitted(path, loaded, budget)
        keeping, counts = fitted(path, loaded, budget, keep_entities=True)
    assert list(filter(None, keeping.split("\n"))) == list(filter(None, cutting.split("\n")))
    assert counts == counted(content, keeping, scripts)
    assert keeping == cutting or cuts["cut"]
    now = words(keeping, scripts)
    for _, sentence in groupby(now, key=lambda word: word.blanks):
        lengths = [word.length for word in sentence]
        assert sum(lengths) <= budget or len(lengths) == 1
    pieces = iter(word.blanks for word in now)
    for _, group in groupby(words(content, scripts), key=lambda word: word.blanks):
        sentence = [(word, next(pieces) if word.length else None) for word in group]
        for label, start, end in spans([word.tag for word, _ in sentence]):
            whole = sentence[start:end]
            if label and sum(word.length for word, _ in whole) <= budget:
                assert len({piece for _, piece in whole if piece is not None}) <= 1


@pytest.mark.parametrize(
    ("content", "budget", "wanted", "cut"),
    [
        ("ab O\ncd B-X\nef I-X\n", 5, "ab O\n\ncd B-X\nef I-X\n", 0),
        ("ab O\ncd B-X\nef B-X\n", 5, "ab O\ncd B-X\n\nef B-X\n", 0),
        ("ab O\ncd I-X\nef I-Y\n", 5, "ab O\ncd I-X\n\nef I-Y\n", 0),
        ("ab O\ncd B-X\nef L-X\ngh U-X\n", 5, "ab O\n\ncd B-X\nef L-X\n\ngh U-X\n", 0),
        ("ab O\ncd B-X\nefgh I-X\n", 5, "ab O\ncd B-X\n\nefgh I-X\n", 1),  # longer than the budget itself
        ("ab O\ncd B-X\n\x96 I-X\nef I-X\n", 5, "ab O\n\ncd B-X\nef I-X\n", 0),
        ("ab O\ncd B-X\n\nef I-X\n", 4, "ab O\ncd B-X\n\nef I-X\n", 0),  # a blank line ends an entity
        ("ab NOUN\ncd NOUN\nef NOUN\n", 5, "ab NOUN\ncd NOUN\n\nef NOUN\n", 0),
    ],
)
def test_what_counts_as_an_entity_that_is_kept(
    content: str, budget: int, wanted: str, cut: int, tokenizers: dict[str, Kind], tmp_path: Path
) -> None:
    path = tmp_path / "file.txt.tmp"
    path.write_text(content, encoding="utf-8")
    written, counts = fitted(path, tokenizers["fast"].loaded, budget, keep_entities=True)
    assert (written, counts["cut"]) == (wanted, cut)


def test_entities_that_are_cut_are_counted_told_and_kept_whole_on_request(
    tiny_model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen(caplog, monkeypatch)
    workspace = write(tmp_path, "abcd O\nefgh B-X\nijkl I-X\n\nabcdefgh B-X\nijklmnop I-X\n")
    result = preprocess.run(workspace, Options(model=tiny_model, max_length=12))
    assert result.facts["train"] == {"sentences": 4, "tokens": 5, "dropped": 0, "breaks": 2, "cut": 2}
    put_in = "blank lines put in, so that no sentence passes 12 sub-words: 2 in train"
    assert said(caplog) == [put_in, "of these inside an entity (--keep-entities moves them): 2 in train"]
    caplog.clear()
    result = preprocess.run(workspace, Options(model=tiny_model, max_length=12, keep_entities=True))
    assert (result.fresh, result.why) == (False, "again: keep entities is another")
    assert (workspace / "train.txt").read_text() == ("abcd O\n\nefgh B-X\nijkl I-X\n\nabcdefgh B-X\n\nijklmnop I-X\n")
    assert result.facts["train"] == {"sentences": 4, "tokens": 5, "dropped": 0, "breaks": 2, "cut": 1}
    assert said(caplog) == [put_in, "of these inside an entity (as it is longer itself): 1 in train"]
    record = workspace.records()["preprocess"]
    assert (record["options"]["keep_entities"], record["facts"]) == (True, result.facts)
    assert preprocess.run(workspace, Options(model=tiny_model, max_length=12, keep_entities=True)).fresh
    again = preprocess.run(workspace, Options(model=tiny_model, max_length=12))
    assert again.why == "again: keep entities is another"


def test_a_record_from_before_there_were_these_options_stays_fresh(workspace: Workspace, tiny_model: str) -> None:
    preprocess.run(workspace, Options(model=tiny_model))
    record = workspace / "workspace.json"
    older = re.sub(r',\s*"(keep_entities|repair)": false', "", record.read_text())
    assert "keep_entities" not in older and "repair" not in older
    record.write_text(older)
    assert preprocess.run(workspace, Options(model=tiny_model)).fresh
    assert not preprocess.run(workspace, Options(model=tiny_model, repair=True)).fresh


# -- bad files -------------------------------------------------------------------------------------

SENTENCE = "anna B-PER\nleft O\n\n"
BAD = {
    "ISO-8859-1": (b"anna O\n\nM\xfcller B-PER\n", r"dev\.txt\.tmp: not UTF-8 in line 3"),
    "ISO-8859-1 with carriage returns": (b"anna O\r\n\rM\xfcller B-PER\r", r"dev\.txt\.tmp: not UTF-8 in line 3"),
    "UTF-16, little end first": (SENTENCE.encode("utf-16"), r"dev\.txt\.tmp:1: this is UTF-16"),
    "UTF-16, big end first": (b"\xfe\xff" + SENTENCE.encode("utf-16-be"), r"dev\.txt\.tmp:1: this is UTF-16"),
    "UTF-16 without a mark": (SENTENCE.encode("utf-16-le"), r"dev\.txt\.tmp:1: this is UTF-16LE"),
    "a NUL byte": (SENTENCE.encode() * 2 + b"os\0lo O\n", r"dev\.txt\.tmp:7: a NUL byte"),
    "a line of 10 MB": (SENTENCE.encode() + b"a" * 10_000_000 + b" O\n", r"dev\.txt\.tmp:4: a line of 10,000,003 cha"),
    "a gzip archive": (b"\x1f\x8b\x08\0\0\0\0\0", r"dev\.txt\.tmp:1: this is a gzip archive"),
    "nothing": (b"", r"dev\.txt\.tmp:1: no sentence in this file"),
    "blank lines alone": (b"\n \n\t\n\n", r"dev\.txt\.tmp:1: no sentence in this file"),
    "tokens without sub-words alone": (b"\xc2\x96 O\n\n", r"dev\.txt\.tmp:1: no sentence in this file"),
}


def everything(workspace: Workspace) -> dict[str, bytes]:
    """What a stage has published."""
    return {path.name: path.read_bytes() for path in workspace.path.glob("*") if path.suffix in (".txt", ".json")}


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_named_with_its_line_and_leaves_everything_as_it_was(
    content: bytes,
    message: str,
    repair: bool,
    workspace: Workspace,
    tiny_model: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line_blocks, "LINES_AHEAD", 2)
    preprocess.run(workspace, Options(model=tiny_model))
    before = everything(workspace)
    (workspace / "dev.txt.tmp").write_bytes(content)
    with pytest.raises(InvalidData, match=message) as error:
        preprocess.run(workspace, Options(model=tiny_model, repair=repair))
    assert str(workspace.path) in error.value.message and error.value.hint
    assert everything(workspace) == before and {"workspace.json", "dev.txt"} <= before.keys()


@pytest.mark.parametrize("repair", [False, True])
def test_without_an_earlier_run_a_bad_file_leaves_nothing(repair: bool, workspace: Workspace, tiny_model: str) -> None:
    (workspace / "test.txt.tmp").write_bytes(b"anna O\n\nM\xfcller B-PER\n")
    with pytest.raises(InvalidData, match=r"test\.txt\.tmp: not UTF-8 in line 3"):
        preprocess.run(workspace, Options(model=tiny_model, repair=repair))
    assert everything(workspace) == {}
    assert workspace.records() == {}


def a_directory(path: Path) -> None:
    path.mkdir()


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def a_link_to_nothing(path: Path) -> None:
    path.symlink_to("nothing")


def a_file_that_fails_when_read(path: Path) -> None:
    if not Path("/proc/self/mem").exists():
        pytest.skip("no /proc/self/mem to stand for a bad disk")
    path.symlink_to("/proc/self/mem")


@pytest.mark.parametrize("made", [a_directory, a_link_to_itself, a_link_to_nothing, a_file_that_fails_when_read])
def test_what_cannot_be_read_as_a_file_is_named_and_leaves_everything_as_it_was(
    made: Any, workspace: Workspace, tiny_model: str
) -> None:
    preprocess.run(workspace, Options(model=tiny_model))
    before = everything(workspace)
    dev = workspace / "dev.txt.tmp"
    dev.unlink()
    made(dev)
    with pytest.raises(NertoolError, match=r"dev\.txt\.tmp (is|cannot be read)") as error:
        preprocess.run(workspace, Options(model=tiny_model))
    assert str(dev) in error.value.message and error.value.hint
    assert everything(workspace) == before


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_carriage_returns_end_lines_as_they_do_for_the_original_script(
    end: str, tiny_model: str, tokenizers: dict[str, Kind], tmp_path: Path
) -> None:
    content = ("anna B-PER\nleft O\n\n\x96 O\n" + "abcdefgh O\n" * 3).replace("\n", end)
    workspace = write(tmp_path, content)
    facts = preprocess.run(workspace, Options(model=tiny_model, max_length=20)).facts["train"]
    written = (workspace / "train.txt").read_bytes().decode()
    assert written == script(workspace / "train.txt.tmp", tokenizers["slow"].scripts, 20)
    assert written == "anna B-PER\nleft O\n\nabcdefgh O\nabcdefgh O\n\nabcdefgh O\n"
    assert facts == {"sentences": 3, "tokens": 5, "dropped": 1, "breaks": 1, "cut": 0}


# -- the tokenizer ---------------------------------------------------------------------------------


def test_a_tokenizer_that_would_cut_or_pad_by_itself_gives_the_same_files(
    tiny_model: str, cutting_model: Path, tmp_path: Path
) -> None:
    written = []
    for model in (tiny_model, str(cutting_model)):
        workspace = write(tmp_path / Path(model).name, "a O\n" + "abcdefgh B-X\n" * 5)
        preprocess.run(workspace, Options(model=model, max_length=20))
        written.append((workspace / "train.txt").read_bytes())
    assert written[0] == written[1] and written[0].count(b"\n\n") == 2


@pytest.mark.parametrize("command", ["preprocess", "check"])
def test_the_command_needs_no_torch(command: str, workspace: Workspace, tiny_model: str) -> None:
    if not version("transformers").startswith("4."):
        pytest.skip("transformers 5 imports torch wherever it is installed")
    words = [command, "--model", tiny_model, "-w", str(workspace.path)]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "nertool", *words], capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert {"nertool", "transformers", "tokenizers"} <= imported
    assert "torch" not in imported
    assert "train" in done.stdout


# -- what a check finds on the way -----------------------------------------------------------------


def test_the_counts_of_a_check_are_among_the_facts(tiny_model: str, tmp_path: Path) -> None:
    workspace = write(tmp_path, "anna B-PER\nleft O\n\n\n\x96 I-LOC\n\nanna B-PER\nleft O\n\n" + "abcdefgh B-X\n" * 4)
    (workspace / "dev.txt.tmp").write_text("anna B-PER\nleft O\n\noslo I-LOC\nleft B-ORG\n")
    (workspace / "test.txt.tmp").write_text("oslo\u200b B-LOC\n\n\n\n")
    facts = preprocess.run(workspace, Options(model=tiny_model, max_length=20)).facts
    rows = {row["finding"]: [row["severity"], *(row[split] for split in SPLITS)] for row in facts["findings"]}
    assert rows["token without sub-words"] == ["warning", 1, 0, 0]
    assert rows["sentence over the length"] == ["warning", 1, 0, 0]
    assert rows["sentence twice"] == ["info", 1, 0, 0]
    assert rows["sentence that is in train too"] == ["warning", 0, 1, 0]
    assert rows["tag that is not in train: B-ORG"] == ["warning", 0, 1, 0]
    assert rows["tag that is not in train: B-LOC"] == ["warning", 0, 0, 1]
    assert rows["tags that break the scheme (iob2)"] == ["warning", 1, 1, 0]
    assert rows["blank line that ends no sentence"] == ["warning", 1, 0, 2]
    assert rows["invisible character inside a token"] == ["warning", 0, 0, 1]
    report = check.run(workspace, check.Options(model=tiny_model, max_length=20))
    assert facts["findings"] == report.summary()


# -- real data -------------------------------------------------------------------------------------


@pytest.mark.model
@pytest.mark.parametrize("max_length", [128, 24])
def test_the_edge_cases_are_those_of_the_original_script(max_length: int, tmp_path: Path) -> None:
    folder = DATA / "preprocess"
    workspace = write(tmp_path, (folder / "edge.txt.tmp").read_bytes())
    preprocess.run(workspace, Options(model=str(folder / "tokenizer"), max_length=max_length))
    assert (workspace / "train.txt").read_bytes() == (folder / f"edge.mbert-{max_length}.txt").read_bytes()


@pytest.mark.model
@pytest.mark.parametrize(
    ("recipe", "model"), [("germeval2014", "bert-base-multilingual-cased"), ("wnut17", "bert-base-cased")]
)
def test_real_data_becomes_what_the_original_script_prints(
    recipe: str, model: str, shared: Path, tmp_path: Path
) -> None:
    digests = json.loads((DATA / "digests.json").read_text())[recipe]
    assert sorted(digests) == sorted(
        ["labels.txt", *(f"{split}{end}" for split in SPLITS for end in (".txt", ".txt.tmp"))]
    )
    workspace = Workspace(tmp_path)
    download.run(workspace, download.Options(recipe=recipe, source=str(shared / "data" / recipe)))
    preprocess.run(workspace, Options(model=str(shared / "models" / model)))
    labels.run(workspace, labels.Options())
    assert {name: hashlib.sha256((workspace / name).read_bytes()).hexdigest() for name in digests} == digests
