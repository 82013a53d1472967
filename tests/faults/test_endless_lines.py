"""A line without end, or one that is unpacked out of a small file, is refused before it fills the memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nertool.corpus.files import LINE_LIMIT, numbered_lines
from nertool.documents.reader import Reader
from nertool.errors import InvalidData
from nertool.stages import download
from nertool.workspace.workspace import Workspace


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small archive of a token line and a line of 200 MiB."""
    path = tmp_path_factory.mktemp("packed") / "own.txt.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"Anna B-PER\n")
        for _ in range(200):
            file.write(b"a" * (1 << 20))
    assert path.stat().st_size < 2 << 20
    return path


def read_all(path: Path) -> None:
    list(numbered_lines(path))


def read_documents(path: Path) -> None:
    list(Reader("text").read(str(path)))


def read_json_lines(path: Path) -> None:
    renamed = path.with_name("own.jsonl.gz")
    renamed.write_bytes(path.read_bytes())
    list(Reader("jsonl").read(str(renamed)))


def read_own_file(path: Path) -> None:
    download.run(Workspace(path.parent / "w"), download.Options(train_file=str(path)))


@pytest.mark.parametrize("read", [read_all, read_documents, read_json_lines, read_own_file])
def test_a_line_that_is_too_long_is_refused(read: Callable[[Path], None], packed: Path) -> None:
    with pytest.raises(InvalidData, match=r":[12]: .*(a line of more than 64 MiB|not JSON)"):
        read(packed)


def test_a_plain_file_is_bounded_where_it_is_large(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_bytes(b"Anna B-PER\n" + b"a" * (LINE_LIMIT + (1 << 20)))
    with pytest.raises(InvalidData, match=r"own\.txt:2: a line of more than 64 MiB"):
        read_all(tmp_path / "own.txt")


def test_standard_input_is_bounded_too() -> None:
    with pytest.raises(InvalidData, match="standard input:1: a line of more than 64 MiB"):
        list(Reader("text", stdin=io.BytesIO(b"a" * (LINE_LIMIT + 2))).read("-"))


def test_memory_stays_bounded(packed: Path) -> None:
    """Without the limit 200 MiB of text would be there several times."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))

    code = "import sys; from pathlib import Path; from nertool.corpus.files import numbered_lines\n"
    code += "try: list(numbered_lines(Path(sys.argv[1])))\nexcept Exception as error: print(type(error).__name__)"
    done = subprocess.run([sys.executable, "-c", code, str(packed)], capture_output=True, text=True, preexec_fn=limit)
    assert done.stdout == "InvalidData\n", done.stderr


# -- sentences without end ---------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["gz", "bz2", "xz"])
def endless(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small archive of tokens with tags, a sentence of two million of them."""
    path = tmp_path_factory.mktemp("endless") / f"own.txt.{request.param}"
    pack = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}[request.param]
    with pack(path, "wb") as file:
        file.write(b"Anna B-PER\n" * 2_000_000)
    assert path.stat().st_size < 1 << 20
    return path


def test_a_sentence_without_end_is_refused(endless: Path) -> None:
    for reader in (Reader("tokens"), Reader(), Reader(on_error="skip")):
        with pytest.raises(InvalidData, match=r"own\.txt\.\w+:1: a sentence of over 1,000,000 tokens") as raised:
            next(reader.read(str(endless)))
        assert "blank line" in raised.value.hint


def test_a_sentence_of_long_tokens_is_refused_earlier() -> None:
    lines = (b"a" * (1 << 20) + b"\n" for _ in range(100))
    with pytest.raises(InvalidData, match="standard input:1: a sentence of over 32 tokens"):
        list(Reader("tokens", stdin=io.BytesIO(b"".join(lines))).read("-"))


def test_data_without_the_end_of_a_sentence_are_refused(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "own.txt.gz", "wb") as file:
        file.write(b"Anna B-PER\n. O\n" * 600_000)
    with pytest.raises(InvalidData, match="a sentence of over 1,000,000 tokens") as raised:
        read_own_file(tmp_path / "own.txt.gz")
    assert "--sentence-end" in raised.value.hint


def test_a_document_without_end_is_refused(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "own.txt.gz", "wb", compresslevel=1) as file:
        for _ in range(70):
            file.write((b"a" * 1023 + b"\n") * 1024)
    with pytest.raises(InvalidData, match="a document of more than 64 MiB") as raised:
        list(Reader("document").read(str(tmp_path / "own.txt.gz")))
    assert "--input text" in raised.value.hint
