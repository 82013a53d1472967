"""`predict --interactive`: each line that is typed comes back with its entities in colour."""

from __future__ import annotations

import sys
from contextlib import suppress

from rich.text import Text

from nertool.cli.interrupts import noticed_while_waiting
from nertool.cli.output import stdout
from nertool.corpus.running_text import visible
from nertool.errors import InvalidOption
from nertool.progress import logger
from nertool.stages import predict
from nertool.tags import OUTSIDE
from nertool.workspace.workspace import Workspace

BRIGHT = ("bright_magenta", "bright_green", "bright_blue", "bright_cyan", "bright_yellow", "bright_red")
COLOURS = ("green", "cyan", "magenta", "yellow", "blue", "red", *BRIGHT)
"""Colours of the entity types in the order of their names; enough for GermEval's twelve."""
CTRL_D_TYPED_AHEAD = r'"\C-@": "\C-d"'
"""How readline takes a Ctrl-D that is typed before it shows its prompt: the terminal has made NUL of it."""


def talk(workspace: Workspace, options: predict.Options) -> None:
    """Tag each line of standard input and print it, until the input ends."""
    with suppress(ImportError):
        import readline  # lets input() edit lines

        readline.parse_and_bind(CTRL_D_TYPED_AHEAD)
    if sys.stdin is None:
        raise InvalidOption("standard input is closed", "Type at a terminal.")
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
    tagger = predict.open_predictor(workspace, options).tagger
    labels = sorted({label.partition("-")[2] or label for label in tagger.labels if label != OUTSIDE})
    logger.info("type a sentence and Enter; Ctrl-D ends")
    try:
        while True:
            shown = Text()
            with noticed_while_waiting():
                text = input("> ")
            for word, label in predict.words_of(tagger, text):
                style = f"bold {COLOURS[labels.index(label) % len(COLOURS)]}" if label else ""
                shown.append(f"{visible(word)} ", style)
                shown.append(f"({visible(label)}) " if label else "", "dim")
            stdout().print(shown)
    except EOFError:
        pass
    finally:
        stdout().print()  # the shell's prompt gets a line of its own
