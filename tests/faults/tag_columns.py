"""Random columns of tags of every spelling, and commands that read them."""

from __future__ import annotations

import contextlib
import io
import random
from pathlib import Path

from faults.forks import End

SCHEMES = ("B-", "I-", "E-", "S-", "L-", "U-", "M-", "B_", "I_", "-B", "-I", "b-", "", "BI-", "B:", "(", ")")
TYPES = ("PER", "LOC", "creative-work", "O", "", "B", "I", "-", "Ä", "人", "😀", "a b", "*", "12", "PER|LOC", "x" * 300)
ODD = ("O", "o", "_", "-", "-X-", "0", "NIL", "#", '"', "\u200b", "\u2028", "\ufeffO", "\x1b[31m", "[bold]", "O\u0301")
TOKENS = ("anna", "Oslo", ".", "#", "-DOCSTART-", "\u200b", "人", "x" * 500, "1", '"', "a\tb", "\x7f", "O")


def tag_column(seed: int) -> str:
    """Lines of a token and a tag, or two, of a few schemes, types and odd tags at a time."""
    chance = random.Random(seed)
    schemes, types = chance.sample(SCHEMES, chance.randint(1, 4)), chance.sample(TYPES, chance.randint(1, 4))
    odd = chance.sample(ODD, chance.randint(1, 3))
    separator, columns = chance.choice([" ", " ", "\t"]), chance.choice([1, 1, 2])
    lines = []
    for _ in range(chance.randint(0, 60)):
        tags = []
        for _ in range(columns):
            made = chance.choice(schemes) + chance.choice(types)
            tags.append(chance.choice([made, made, chance.choice(odd)]))
        lines.append(separator.join([chance.choice(TOKENS), *tags]) if chance.random() < 0.9 else "")
    return "".join(f"{line}\n" for line in lines)


def called(*arguments: str) -> End:
    """Run a command in this process."""
    from nertool.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(arguments))
            code = 0
        except SystemExit as ending:
            code = int(ending.code or 0)
    return End(code, out.getvalue(), err.getvalue(), 0)


def check_tag_column(folder: Path, seed: int) -> None:
    """Read a random column by every command that reads tags: each is done, or tells why not."""
    text = tag_column(seed)
    for number, command in enumerate(("score", "check", "labels", "download")):
        workspace = folder / f"{seed}-{number}"
        workspace.mkdir(parents=True)
        file = workspace / ("columns" if command in ("score", "download") else "train.txt")
        file.write_text(text, newline="")
        arguments = {"score": [str(file)], "download": ["--train-file", str(file), "--force"]}.get(command, [])
        place = [] if command == "score" else ["-w", str(workspace)]
        end = called(command, *arguments, *place)
        assert end.code in (0, 1) and "Traceback" not in end.err, (command, seed, end)
        assert end.out or end.err, (command, seed)
