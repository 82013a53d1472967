"""Filters: the shell's own grep, cut and tr as oracle, with blocks that break anywhere; counts taken line by line."""

from __future__ import annotations

import io
import os
import subprocess
from itertools import groupby

import pytest
from helpers import AWKWARD, CONLL, PIPELINES, PUBLISHED, as_bytes, shell
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nertool.sources import shell_filters
from nertool.sources.recipes import RECIPES
from nertool.sources.shell_filters import Filters

SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=6)
"""Sizes of a block in bytes; one run of the shell is the oracle for several."""
FILTERS = st.builds(
    Filters,
    drop_comments=st.booleans(),
    fields=st.none() | st.sets(st.integers(1, 5), min_size=1).map(lambda numbers: tuple(sorted(numbers))),
    delimiter=st.sampled_from([b"\t", b" ", b"#"]),
)


def applied(chosen: Filters, published: bytes, size: int) -> tuple[bytes, dict[str, int]]:
    """What the filters make of it, looking at `size` bytes at a time."""
    target = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shell_filters, "BLOCK", size)
        counts = chosen.apply(io.BytesIO(published), target)
    return target.getvalue(), counts


def pipeline(chosen: Filters, published: bytes) -> bytes:
    """What grep, cut and tr make of it."""
    steps = [r"tr '\t' ' '"]
    if chosen.fields:
        steps.insert(0, f"cut -d '{chosen.delimiter.decode()}' -f {','.join(map(str, chosen.fields))}")
    if chosen.drop_comments:
        steps.insert(0, "grep -v '^#'")
    command, environment = ["bash", "-c", " | ".join(steps)], {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, input=published, env=environment, capture_output=True).stdout


def lines(text: bytes) -> list[bytes]:
    return text.removesuffix(b"\n").split(b"\n") if text else []


def counted(out: bytes, dropped: int) -> dict[str, int]:
    """Sentences and tokens of filtered lines, counted one line at a time."""
    full = [bool(line.strip()) for line in lines(out)]
    return {"sentences": sum(key for key, _ in groupby(full)), "tokens": sum(full), "dropped_lines": dropped}


@pytest.mark.parametrize("recipe", PIPELINES)
@settings(max_examples=30, deadline=None)
@given(published=PUBLISHED, sizes=SIZES)
def test_wherever_a_block_ends_the_bytes_are_those_of_the_pipeline(
    recipe: str, published: bytes, sizes: list[int]
) -> None:
    wanted = shell(recipe, published)
    for size in sizes:
        assert applied(RECIPES[recipe].filters, published, size)[0] == wanted


@pytest.mark.parametrize("content", AWKWARD.values(), ids=AWKWARD)
@pytest.mark.parametrize("recipe", PIPELINES)
def test_awkward_files_come_through_blocks_of_any_size(recipe: str, content: str | bytes) -> None:
    published = as_bytes(content)
    whole = applied(RECIPES[recipe].filters, published, 1 << 20)
    for size in range(1, 41):
        assert applied(RECIPES[recipe].filters, published, size) == whole


@settings(max_examples=60, deadline=None)
@given(chosen=FILTERS, published=PUBLISHED, sizes=SIZES)
@example(Filters(fields=(3,)), b"a\tb\n\tc\nd\n\n", [1])
@example(Filters(True, (1, 2, 3, 4, 5)), b"#\n1\t2\t3\t4\t5\t6\n#", [3])
def test_any_fields_give_the_bytes_of_the_pipeline(chosen: Filters, published: bytes, sizes: list[int]) -> None:
    wanted = pipeline(chosen, published)
    for size in sizes:
        assert applied(chosen, published, size)[0] == wanted


@settings(max_examples=100, deadline=None)
@given(chosen=FILTERS, published=PUBLISHED, size=st.integers(1, 40))
@example(chosen=Filters(fields=(1, 5)), published=b"\t", size=1)
@example(chosen=Filters(drop_comments=True, fields=(1,), delimiter=b"#"), published=b"#", size=1)
def test_counts_are_those_of_the_lines_that_come_out_and_of_those_that_do_not(
    chosen: Filters, published: bytes, size: int
) -> None:
    out, counts = applied(chosen, published, size)
    assert counts == counted(out, sum(line.startswith(b"#") for line in lines(published) if chosen.drop_comments))


def without_documents(published: bytes) -> tuple[bytes, int]:
    """Without `-DOCSTART-` lines and a blank line right behind each, and how many such lines there were."""
    kept, behind, documents = [], False, 0
    for line in lines(published):
        document = line.startswith(b"-DOCSTART-")
        documents += document
        if not document and not (behind and not line.strip()):
            kept.append(line)
        behind = document
    return b"".join(line + b"\n" for line in kept), documents


DOCUMENTS = st.lists(
    st.sampled_from([b"-DOCSTART- -X- O O", b"-DOCSTART-", b" -DOCSTART- x", b"", b" ", b"\r", b"EU NNP B-NP B-ORG"]),
    max_size=12,
).map(lambda found: b"".join(line + b"\n" for line in found))


@settings(max_examples=100, deadline=None)
@given(published=DOCUMENTS, size=st.integers(1, 40))
@example(b"-DOCSTART- -X- O O\n\na O\n", 19)  # the blank line is the next block's first
@example(b"-DOCSTART- -X- O O\n\na O\n", 1)
def test_the_blank_line_behind_a_document_mark_goes_even_where_it_begins_a_block(published: bytes, size: int) -> None:
    wanted, documents = without_documents(published)
    out, counts = applied(Filters(drop_docstart=True), published, size)
    assert (out, counts) == (wanted, counted(wanted, documents))


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_only_the_blank_line_behind_a_document_mark_goes_and_no_token(ends: str) -> None:
    published = "-DOCSTART- -X- O O\nEU NNP B-NP B-ORG\n\n\nfor IN O O\n".replace("\n", ends).encode()
    out, counts = applied(RECIPES["conll2003"].filters, published, 1 << 20)
    assert [line.strip() for line in out.splitlines()] == [b"EU B-ORG", b"", b"", b"for O"]
    assert counts == {"sentences": 2, "tokens": 2, "dropped_lines": 1}


def test_a_sentence_that_two_blocks_share_counts_once() -> None:
    published = (CONLL + "\n").encode() * 3
    for size in range(1, 200):
        counts = applied(RECIPES["conll2003"].filters, published, size)[1]
        assert counts == {"sentences": 6, "tokens": 9, "dropped_lines": 6}
