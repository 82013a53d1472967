"""Repair: what it mends, by rule and by property; what is sound stays as it is, and all that changes is counted."""

from __future__ import annotations

import io
import logging
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertool.corpus import blocks as line_blocks
from nertool.corpus.blocks import read_blocks
from nertool.corpus.repair import BLANKS, CHARACTERS, DROPPED, TAGS, Repair, recognise_scheme
from nertool.errors import InvalidData
from nertool.stages import preprocess
from nertool.stages.preprocess import Options
from nertool.tags import broken, convert, pairs, spans
from nertool.workspace.workspace import Workspace

SCHEMES = {"iob2": "BI", "iob1": "BI", "iobes": "BIES", "bilou": "BILU"}
TAGS_OF = {
    scheme: st.sampled_from(["O", *(f"{prefix}-{label}" for prefix in prefixes for label in ("PER", "LOC"))])
    for scheme, prefixes in SCHEMES.items()
}
ANY_TAG = st.sampled_from(["O", *(f"{prefix}-{label}" for prefix in "BIESLU" for label in ("PER", "LOC"))])
TOKEN = st.sampled_from(["anna", "oslo", ".", "new", "\x96", "a\u200cb", "ß"])
SPACED = st.sampled_from(["\n", "\n", "\n", "\n\n", "\n \n\t\n"])
BLOCK = st.sampled_from([1, 2, 5, 50_000])


def mended(content: str, folder: Path, scheme: str | None = None, block: int = 50_000) -> tuple[str, Counter[str]]:
    """A file after its repair, in its own scheme or in the one that is named, and the counts."""
    path = folder / "train.txt.tmp"
    path.write_text(content, encoding="utf-8", newline="\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_blocks, "LINES_AHEAD", block)
        repair = Repair(recognise_scheme([path]) if scheme is None else scheme, path)
        return "".join(line for found in repair.mend(read_blocks(path)) for line in found.lines), repair.counts


def sentences(content: str) -> Iterator[list[str]]:
    """Lines of each sentence."""
    found: list[str] = []
    for line in [*io.StringIO(content), ""]:
        if line.strip():
            found.append(line.rstrip())
        elif found:
            yield found
            found = []


def tags_of(content: str) -> list[list[str]]:
    return [[line.rpartition(" ")[2] for line in sentence] for sentence in sentences(content)]


def tokens_of(content: str) -> list[list[str]]:
    return [[line.partition(" ")[0] for line in sentence] for sentence in sentences(content)]


def file_of(tagged: Sequence[Sequence[tuple[str, str]]], between: str = "\n") -> str:
    return "".join("".join(f"{token} {tag}\n" for token, tag in sentence) + between for sentence in tagged)


# -- rule by rule ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "wanted", "counts"),
    [
        ("a O\n\n\nb O\n", "a O\n\nb O\n", {BLANKS: 1}),
        ("\n\n \na O\n\nb O\n\n", "a O\n\nb O\n\n", {BLANKS: 3}),
        ("a O\n\n\t\n\n\nb O\n\n\n", "a O\n\nb O\n\n", {BLANKS: 4}),
        ("a O\n \nb O\n", "a O\n \nb O\n", {}),
        ("\ufeffa O\n", "a O\n", {CHARACTERS: 1}),
        ("a\u200bb\ufeff B-X\nc\u200b I-X\n", "ab B-X\nc I-X\n", {CHARACTERS: 2}),
        ("a O\n\u200b O\n\ufeff\u200b O\nb O\n", "a O\nb O\n", {DROPPED: 2}),
        ("a O\n\n\u200b O\n\nb O\n", "a O\n\nb O\n", {DROPPED: 1, BLANKS: 1}),
        ("\ufeff O\n\na O\n", "a O\n", {DROPPED: 1, BLANKS: 1}),
        ("a O\n\u200b\xa0 O\n", "a O\n", {DROPPED: 1}),
        ("a B-X\n\u200b B-X\nb I-X\n", "a B-X\nb B-X\n", {DROPPED: 1, TAGS: 1}),  # no entity joins another
        ("a\u200cb O\n", "a\u200cb O\n", {}),  # a joiner that belongs to the word
        ("\xa0 O\u200b\n", "\xa0 O\u200b\n", {}),
        ("\u200b\x96 O\n", "\x96 O\n", {CHARACTERS: 1}),
        ("a\u200cb\u200d\xad O\n", "a\u200cb\u200d\xad O\n", {}),  # joiners carry meaning in many scripts
        ("a x\u200b B-X\u200b\n", "a x\u200b B-X\u200b\n", {}),  # no part of the token
        ("a O\n\nb I-X\nc I-X\n\nd B-Y\n", "a O\n\nb B-X\nc I-X\n\nd B-Y\n", {TAGS: 1}),
        ("a B-X\nb I-Y\nc I-X\n\nd B-X\n\ne B-X\n", "a B-X\nb B-Y\nc B-X\n\nd B-X\n\ne B-X\n", {TAGS: 2}),
        ("a B-X\nb i-X\nc C-X\nd I-X\n\ne B-X\n", "a B-X\nb I-X\nc I-X\nd I-X\n\ne B-X\n", {TAGS: 2}),
        ("a B-X\nb\u200b O\nc I-X", "a B-X\nb O\nc B-X\n", {CHARACTERS: 1, TAGS: 1}),
        ("a NN I-X\nb NN O\nc NN B-X\n", "a NN B-X\nb NN O\nc NN B-X\n", {TAGS: 1}),
        ("a I-X\nb B-X\n\nc B-X\nd I-X\n\ne I-Y\n", "a I-X\nb B-X\n\nc I-X\nd I-X\n\ne I-Y\n", {TAGS: 1}),  # IOB1
        ("\u200b I-X\na B-X\nb I-X\nc B-X\n", "a I-X\nb I-X\nc B-X\n", {DROPPED: 1, TAGS: 1}),  # IOB1
        ("a B-X\n\u200b O\nb I-X\n", "a B-X\nb I-X\n", {DROPPED: 1}),
        ("a B-X\nb I-X\nc S-Y\nd E-X\n", "a B-X\nb E-X\nc S-Y\nd S-X\n", {TAGS: 2}),
        ("a B-X\n\nb B-X\nc I-X\n\nd S-X\n\ne S-X\n", "a S-X\n\nb B-X\nc E-X\n\nd S-X\n\ne S-X\n", {TAGS: 2}),
        ("a B-X\n\nb B-X\nc I-X\n\nd S-X\n", "a B-X\n\nb B-X\nc I-X\n\nd B-X\n", {TAGS: 1}),  # most are IOB2
        ("a B-X\nb I-X\nc U-Y\nd L-X\n", "a B-X\nb L-X\nc U-Y\nd U-X\n", {TAGS: 2}),
        ("a B-X\nb M-X\nc E-X\nd W-Y\n", "a B-X\nb M-X\nc E-X\nd W-Y\n", {}),
        ("a I-X\nb I-Y\n\nc I-X\n", "a I-X\nb I-Y\n\nc I-X\n", {}),
        ("a I-X\n\nb I-Y\n\nc I-X\n\nd S-X\n", "a I-X\n\nb I-Y\n\nc I-X\n\nd I-X\n", {TAGS: 1}),  # IO
        ("a NOUN\nb VERB\n\nc I\n", "a NOUN\nb VERB\n\nc I\n", {}),
        ("a NOUN\nb I-X\nc VERB\n", "a NOUN\nb I-X\nc VERB\n", {}),
        ("a B-X\nb o\n\nc 0\nd I-Y\ne I-Y\n\nf B-X\n", "a B-X\nb o\n\nc 0\nd B-Y\ne I-Y\n\nf B-X\n", {TAGS: 1}),
        ("", "", {}),
    ],
)
@pytest.mark.parametrize("block", [1, 50_000])
def test_what_is_mended_and_what_is_left(
    content: str, wanted: str, counts: dict[str, int], block: int, tmp_path: Path
) -> None:
    after, counted = mended(content, tmp_path, block=block)
    assert (after, dict(counted)) == (wanted, counts)


def test_the_scheme_is_that_of_all_files_together(tmp_path: Path) -> None:
    (tmp_path / "train").write_text("a I-X\n\nb I-Y\n")
    (tmp_path / "dev").write_text("a O\nb B-X\n\nc B-Y\n\nd B-X\n")
    assert recognise_scheme([tmp_path / "train"]) == "io"
    assert recognise_scheme([tmp_path / "train", tmp_path / "dev"]) == "iob2"


def test_a_line_without_tag_is_named_as_its_scheme_cannot_be_told(tmp_path: Path) -> None:
    (tmp_path / "train").write_text("a O\n\nb\n")
    with pytest.raises(InvalidData, match=r"train:3: no tag behind the token"):
        recognise_scheme([tmp_path / "train"])


# -- for any file ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=60, deadline=None)
@given(data=st.data(), block=BLOCK)
def test_after_a_repair_no_tag_breaks_the_scheme_and_entities_are_what_they_were(
    scheme: str, data: st.DataObject, block: int
) -> None:
    tagged = data.draw(st.lists(st.lists(st.tuples(TOKEN, TAGS_OF[scheme]), max_size=6), max_size=6))
    content = file_of(tagged)
    with tempfile.TemporaryDirectory() as folder:
        after, counts = mended(content, Path(folder), scheme, block)
    assert broken((pair for tags in tags_of(after) for pair in pairs(tags)), scheme) == set()
    assert [list(spans(tags)) for tags in tags_of(after)] == [list(spans(tags)) for tags in tags_of(content)]
    assert tokens_of(after) == tokens_of(content)
    changed = sum(
        old != new
        for before, now in zip(tags_of(content), tags_of(after), strict=True)
        for old, new in zip(before, now, strict=True)
    )
    assert counts[TAGS] == changed


@settings(max_examples=100, deadline=None)
@given(
    tagged=st.lists(
        st.lists(st.tuples(TOKEN | st.sampled_from(["\u200b", "\ufeffx"]), ANY_TAG), max_size=6), max_size=6
    ),
    between=SPACED,
    block=BLOCK,
)
def test_a_second_repair_finds_nothing_more(tagged: list[list[tuple[str, str]]], between: str, block: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        content = file_of(tagged, between)
        (folder / "train.txt.tmp").write_text(content, encoding="utf-8", newline="\n")
        scheme = recognise_scheme([folder / "train.txt.tmp"])
        after, _ = mended(content, folder, scheme, block)
        assert broken((pair for tags in tags_of(after) for pair in pairs(tags)), scheme) == set()
        assert not {"\u200b", "\ufeff"} & set(after)
        assert "\n\n\n" not in after and not after.startswith("\n")
        assert mended(after, folder, scheme, block) == (after, Counter())


@pytest.mark.parametrize("scheme", [*SCHEMES, "io"])
@settings(max_examples=40, deadline=None)
@given(
    tagged=st.lists(st.lists(st.tuples(TOKEN, ANY_TAG), min_size=1, max_size=6), max_size=6),
    end=st.sampled_from(["", "\n"]),
    blank=st.sampled_from(["\n", " \n", "\t\n"]),
    block=BLOCK,
)
def test_a_clean_file_passes_byte_for_byte(
    scheme: str, tagged: list[list[tuple[str, str]]], end: str, blank: str, block: int
) -> None:
    clean = [
        [(token, tag) for (token, _), tag in zip(sentence, convert([t for _, t in sentence], scheme), strict=True)]
        for sentence in tagged
    ]
    content = file_of(clean, blank).rstrip() + end if tagged else ""
    with tempfile.TemporaryDirectory() as folder:
        assert mended(content, Path(folder), scheme, block) == (content, Counter())
        assert mended(content, Path(folder), None, block) == (content, Counter())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["NOUN", "VERB", "B", "I-", "O"]), max_size=5), max_size=5))
def test_tags_without_a_type_are_never_touched(tagged: list[list[str]]) -> None:
    content = file_of([[("a", tag) for tag in tags] for tags in tagged if tags])
    with tempfile.TemporaryDirectory() as folder:
        assert mended(content, Path(folder)) == (content, Counter())


def test_blocks_keep_the_number_of_their_first_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_blocks, "LINES_AHEAD", 2)
    path = tmp_path / "train.txt.tmp"
    path.write_text("\n\na O\n\n\nb O\nc O\n\n\u200b O\n\nd O\n", encoding="utf-8")
    assert [(block.first, block.lines) for block in Repair("plain", path).mend(read_blocks(path))] == [
        (1, []),
        (3, ["a O\n", "\n"]),
        (5, ["b O\n", "c O\n", "\n"]),
        (9, []),
        (11, ["d O\n"]),
    ]


# -- as a stage does it ----------------------------------------------------------------------------


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("nertool"), "propagate", True)
    caplog.set_level(logging.INFO, "nertool")
    return caplog


def test_a_run_mends_counts_and_tells(tiny_model: str, tmp_path: Path, said: pytest.LogCaptureFixture) -> None:
    workspace = Workspace(tmp_path)
    (tmp_path / "train.txt.tmp").write_text("\ufeffanna I-PER\nleft O\n\n\noslo B-LOC\n\n", encoding="utf-8")
    (tmp_path / "dev.txt.tmp").write_text("anna I-PER\n\u200b I-PER\n\noslo I-LOC\n", encoding="utf-8")
    (tmp_path / "test.txt.tmp").write_text("anna B-PER\nleft O\noslo B-LOC\n\nclara B-PER\n")
    result = preprocess.run(workspace, Options(model=tiny_model, repair=True))
    assert [(workspace / f"{split}.txt").read_text() for split in ("train", "dev", "test")] == [
        "anna B-PER\nleft O\n\noslo B-LOC\n\n",
        "anna B-PER\n\noslo B-LOC\n",
        "anna B-PER\nleft O\noslo B-LOC\n\nclara B-PER\n",
    ]
    plain = {"dropped": 0, "breaks": 0, "cut": 0}
    assert {split: result.facts[split] for split in ("train", "dev", "test")} == {
        "train": {"sentences": 2, "tokens": 3, **plain, TAGS: 1, CHARACTERS: 1, BLANKS: 1},
        "dev": {"sentences": 2, "tokens": 2, **plain, TAGS: 2, DROPPED: 1},
        "test": {"sentences": 2, "tokens": 4, **plain},
    }
    assert [record.getMessage() for record in said.records] == [
        f"repaired: {BLANKS}: 1 in train",
        f"repaired: {DROPPED}: 1 in dev",
        f"repaired: {TAGS}: 1 in train, 2 in dev",
        f"repaired: {CHARACTERS}: 1 in train",
    ]
    found = {row["finding"] for row in result.facts["findings"]}
    assert not any("scheme" in what or "invisible" in what or "blank" in what for what in found)


def test_repair_is_an_option_of_its_own_and_recorded(tiny_model: str, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    (tmp_path / "train.txt.tmp").write_text("anna I-PER\n\n\nleft B-PER\noslo I-PER\n")
    preprocess.run(workspace, Options(model=tiny_model))
    assert (workspace / "train.txt").read_text() == "anna I-PER\n\n\nleft B-PER\noslo I-PER\n"
    result = preprocess.run(workspace, Options(model=tiny_model, repair=True))
    assert (result.fresh, result.why) == (False, "again: repair is another")
    assert (workspace / "train.txt").read_text() == "anna B-PER\n\nleft B-PER\noslo I-PER\n"
    assert workspace.records()["preprocess"]["options"]["repair"] is True
    assert preprocess.run(workspace, Options(model=tiny_model, repair=True)).fresh
    assert preprocess.run(workspace, Options(model=tiny_model)).why == "again: repair is another"
    assert (workspace / "train.txt").read_text() == "anna I-PER\n\n\nleft B-PER\noslo I-PER\n"


def test_on_clean_data_a_repair_changes_and_tells_nothing(
    workspace: Workspace, tiny_model: str, said: pytest.LogCaptureFixture
) -> None:
    result = preprocess.run(workspace, Options(model=tiny_model, repair=True))
    for split in ("train", "dev", "test"):
        assert (workspace / f"{split}.txt").read_bytes() == (workspace / f"{split}.txt.tmp").read_bytes()
        assert result.facts[split].keys() == {"sentences", "tokens", "dropped", "breaks", "cut"}
    assert said.records == []


def test_a_mended_entity_is_kept_whole(tiny_model: str, tmp_path: Path) -> None:
    """A break is looked for in what is written, and not in what stood there before."""
    workspace = Workspace(tmp_path)
    (tmp_path / "train.txt.tmp").write_text("ab O\ncd B-X\n\u200b O\nef I-X\n\ngh B-X\n", encoding="utf-8")
    preprocess.run(workspace, Options(model=tiny_model, max_length=7, keep_entities=True, repair=True))
    assert (workspace / "train.txt").read_text() == "ab O\n\ncd B-X\nef I-X\n\ngh B-X\n"


def test_a_split_with_nothing_but_invisible_tokens_is_refused(tiny_model: str, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    (tmp_path / "train.txt.tmp").write_text("\u200b O\n\n\ufeff O\n", encoding="utf-8")
    with pytest.raises(InvalidData, match=r"train\.txt\.tmp:1: no sentence in this file"):
        preprocess.run(workspace, Options(model=tiny_model, repair=True))
    assert not (workspace / "train.txt").exists()
