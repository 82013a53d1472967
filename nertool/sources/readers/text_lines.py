"""Lines of a text file as people have them: any line ends, a byte order mark, packed or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nertool.corpus.files import LONGEST_LINE, open_text, translate_read_errors
from nertool.corpus.records import BYTE_ORDER_MARK
from nertool.errors import InvalidData
from nertool.sources.readers.tally import Tally

NUL_HELP = "Name a file of text; text in UTF-16 needs --encoding utf-16-le or utf-16-be, an archive is to be unpacked."


def text_lines(
    path: Path, tally: Tally, longest: int | None = LONGEST_LINE, encoding: str = "utf-8"
) -> Iterator[tuple[int, str]]:
    """Lines without their ends, each with its 1-based number.

    Carriage returns and a byte order mark are accepted and counted.

    Args:
        encoding: of the text.
        longest: characters beyond which a line is refused; None for no limit.

    Raises:
        InvalidData: not in this encoding, a NUL, or a line that is too long (names file and line).
    """
    ends_by_cr = False
    with open_text(path, newline="", encoding=encoding) as file, translate_read_errors(path, encoding):
        for number, line in enumerate(file, start=1):
            if ends_by_cr and line == "\r\n":  # CR CR LF, which a file gets that is written twice as text of Windows
                ends_by_cr = False
                continue
            ends_by_cr = line.endswith("\r")
            if line.startswith(BYTE_ORDER_MARK):  # files that were joined have more of them
                tally.add("byte order marks taken off")
                line = line.lstrip(BYTE_ORDER_MARK)
            if "\r" in line:
                tally.add("lines ended by CR LF" if line.endswith("\n") else "lines ended by CR")
            if "\0" in line:
                raise InvalidData(f"{path}:{number}: a NUL byte: this is no text", NUL_HELP)
            if longest and len(line) > longest:
                raise InvalidData(
                    f"{path}:{number}: a line of {len(line):,} characters: this is no file of tokens",
                    "A line holds one token and its tags; the name of a file (.jsonl, .csv) tells its form.",
                )
            yield number, line.rstrip("\r\n")
