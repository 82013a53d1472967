"""Files that are far too long, or nested far too deep, are refused before they fill memory or time."""

from __future__ import annotations

import gzip
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nertool.cli import config_files
from nertool.corpus.files import LOOKED_AT, numbered_lines
from nertool.errors import InvalidData, NertoolError
from nertool.models.calibration import read_calibration
from nertool.models.settings import read_settings, read_table
from nertool.sources.convert_tags import read_type_map
from nertool.sources.readers.rows import read_tag_names
from nertool.sources.shell_filters import BLOCK, blocks_of_lines
from nertool.stages.labels import distinct_tags
from nertool.workspace.digests import MOST_BYTES, read_json
from nertool.workspace.run_log import last_command_line
from nertool.workspace.workspace import Workspace

DEEP = ('{"a":' * 100_000, f'{{"a":{"[" * 100_000}{"]" * 100_000}}}')
RECORDS: dict[str, Callable[[Path], object]] = {
    "workspace.json": lambda folder: Workspace(folder).status(),
    "model/quantization.json": lambda folder: read_table(folder / "model"),
    "model/calibration.json": lambda folder: read_calibration(folder / "model", ["O"]),
    "model/tagging.json": lambda folder: read_settings(folder / "model"),
    "settings.json": lambda folder: config_files.read(folder / "settings.json"),
    "tag_names.json": lambda folder: read_tag_names(folder / "tag_names.json"),
    "type_map.json": lambda folder: read_type_map(folder / "type_map.json"),
}
"""Files of JSON and what reads them."""


@pytest.mark.parametrize("content", DEEP, ids=["an object of objects", "an object of lists"])
@pytest.mark.parametrize("name", RECORDS)
def test_json_nested_too_deep_is_two_lines(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / name).write_text(content)
    with pytest.raises(NertoolError) as error:
        RECORDS[name](tmp_path)
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize("name", RECORDS)
def test_json_that_is_too_long_is_two_lines(name: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / name).touch()
    os.truncate(tmp_path / name, MOST_BYTES + 1)
    with pytest.raises(NertoolError) as error:
        RECORDS[name](tmp_path)
    assert len(str(error.value).splitlines()) == 2 and len(str(error.value)) < 1000


def test_json_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 128 MiB"):
        read_json(Path("/dev/zero"))


def test_a_log_without_a_line_end_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "runs.jsonl").touch()
    os.truncate(tmp_path / "runs.jsonl", MOST_BYTES + 1)
    assert last_command_line(tmp_path, "labels") == ""


# -- lines -----------------------------------------------------------------------------------------


class Pieces:
    """A source that counts the bytes it is asked for; its only line feed is the last byte."""

    def __init__(self, blocks: int) -> None:
        self.left = blocks

    def read(self, size: int) -> bytes:
        self.left -= 1
        return b"a" * size if self.left > 0 else b"\n" if self.left == 0 else b""


def test_a_long_line_is_joined_once() -> None:
    (line,) = blocks_of_lines(Pieces(200))  # type: ignore[arg-type]
    assert len(line) == 199 * BLOCK + 1


def test_labels_of_one_long_line(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_bytes(b"a" * (20 * BLOCK) + b" B-PER\nb O\n")
    assert distinct_tags([tmp_path / "train.txt"]) == ["B-PER", "O"]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("shift", [-2, -1, 0, 1])
def test_the_line_that_is_not_utf_8_is_named_wherever_blocks_end(end: bytes, shift: int, tmp_path: Path) -> None:
    lines = [b"a" * (LOOKED_AT - len(end) + shift), b"\xc3\xa4", b"b" * LOOKED_AT, b"", b"M\xfcller"]
    (tmp_path / "made.txt").write_bytes(end.join(lines))
    with pytest.raises(InvalidData, match="not UTF-8 in line 5"):
        list(numbered_lines(tmp_path / "made.txt"))


def test_memory_stays_bounded_where_a_long_line_is_not_utf_8(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "own.txt.gz", "wb", compresslevel=1) as file:
        file.write(b"\xff")
        for _ in range(400):
            file.write(b"a" * (1 << 20))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))

    code = "import sys; from pathlib import Path; from nertool.corpus.files import numbered_lines\n"
    code += "try: list(numbered_lines(Path(sys.argv[1])))\nexcept Exception as error: print(type(error).__name__)"
    command = [sys.executable, "-c", code, str(tmp_path / "own.txt.gz")]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit)
    assert done.stdout == "InvalidData\n", done.stderr
