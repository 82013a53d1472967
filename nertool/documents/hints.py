"""What a command offers its user where an input cannot be read: the ends of hints, and errors that wait for them."""

from __future__ import annotations

from typing import NamedTuple

from nertool.errors import InvalidData


class Ways(NamedTuple):
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
    """An input that cannot be read, found where the command is not known.

    Args:
        message: what is wrong.
        mend: beginning of the hint: what helps in every command.
        way: the field of `Ways` that ends the hint.
    """

    def __init__(self, message: str, mend: str, way: str) -> None:
        self.mend, self.way = mend, way
        super().__init__(message, self.hint_for(Ways()))

    def hint_for(self, ways: Ways) -> str:
        """The whole hint."""
        return f"{self.mend} {getattr(ways, self.way)}"
