"""Hints of errors in reading input: they end with options of the command that reads, which readers do not know."""

from __future__ import annotations

from typing import NamedTuple

from nertool.errors import InvalidData


class Hints(NamedTuple):
    """Ends of hints, in the options of one command; the defaults are those of `predict`.

    Attributes:
        skip: go on without a record.
        form: say that lines hold text, or tokens.
        column: name the column that is read.
        convert: what to do with a file that `download` alone reads.
        recognised: how the user chooses another form than that which lines tell.
    """

    skip: str = "go on without it: --on-error skip (or null)"
    form: str = "say what a line holds: --input text or tokens"
    column: str = "name one by --text-column or --tokens-column"
    convert: str = "nertool download --test-file FILE, preprocess, predict --split test"
    recognised: str = "--input text reads one sentence a line"


class Unreadable(InvalidData):
    """An input that cannot be read; `Reader.read` puts in the hint of its command.

    Args:
        message: what is wrong.
        beginning: of the hint: what helps in every command.
        end: the field of `Hints` that ends the hint.
    """

    def __init__(self, message: str, beginning: str, end: str) -> None:
        self.beginning, self.end = beginning, end
        super().__init__(message, self.hint_for(Hints()))

    def __reduce__(self) -> tuple[type[Unreadable], tuple[str, ...]]:
        """How another process makes the error anew."""
        return type(self), (self.message, self.beginning, self.end)

    def hint_for(self, hints: Hints) -> str:
        """The whole hint."""
        return f"{self.beginning} {getattr(hints, self.end)}"
