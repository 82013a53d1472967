"""Drop tokens without sub-words and break long sentences, byte for byte as the README's scripts/preprocess.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from nertool.columns import numbered_lines
from nertool.encode import TOKENIZER_FILES, Subwords, load_tokenizer, model_sources, quiet_transformers
from nertool.errors import InvalidOption, MissingInput
from nertool.options import ForceOption, MaxLengthOption, ModelOption
from nertool.progress import note, track
from nertool.workspace import Result, StageOptions, Workspace

LINES_AHEAD = 50_000
"""Lines whose new tokens are tokenized in one batch."""


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `preprocess`."""

    model: ModelOption = "minilm"
    max_length: MaxLengthOption = 128
    force: ForceOption = False


@dataclass
class Counts:
    """What happened to one file."""

    sentences: int = 0
    tokens: int = 0
    dropped: int = 0
    breaks: int = 0


def run(workspace: Workspace, options: Options) -> Result:
    """Write `{split}.txt` from each `{split}.txt.tmp`.

    Raises:
        MissingInput: download has not been run.
        InvalidOption: the tokenizer cannot be loaded, or the length leaves no room.
        InvalidData: a file is not UTF-8 (names file and line).
    """
    splits = workspace.splits(".txt.tmp")
    if not splits:
        raise MissingInput(
            f"{workspace / 'train.txt.tmp'} is missing", f"Run: {workspace.command('download', 'RECIPE')}"
        )
    quiet_transformers()
    with workspace.open_stage(
        "preprocess",
        options,
        reads=[f"{split}.txt.tmp" for split in splits],
        writes=[f"{split}.txt" for split in splits],
        sources=model_sources(options.model, TOKENIZER_FILES),
        packages=["transformers", "tokenizers"],
        force=options.force,
    ) as stage:
        if not stage.fresh:
            tokenizer = load_tokenizer(options.model)
            subwords = Subwords(tokenizer)
            budget = options.max_length - tokenizer.num_special_tokens_to_add()
            if budget < 1:
                raise InvalidOption(
                    f"--max-length {options.max_length} leaves no room beside the special tokens", "Take a larger one."
                )
            for split in splits:
                counts = Counts()
                lines = (line for _, line in numbered_lines(workspace / f"{split}.txt.tmp"))
                with stage.file(f"{split}.txt").open("w", encoding="utf-8", newline="\n") as out:
                    fitted = fit_lines(lines, subwords, budget, counts)
                    out.writelines(track(fitted, f"preprocess {split}", _line_count(workspace / f"{split}.txt.tmp")))
                stage.facts[split] = vars(counts)
            _tell(stage.facts, "dropped", "tokens without sub-words, dropped")
            _tell(
                stage.facts, "breaks", f"blank lines put in, so that no sentence passes {options.max_length} sub-words"
            )
    return stage.result()


def fit_lines(lines: Iterable[str], subwords: Subwords, budget: int, counts: Counts) -> Iterator[str]:
    """The lines of a file such that every sentence has at most `budget` sub-words.

    A line whose token (its first white-space field) has no sub-words is dropped. Where a line would overflow, a blank
    line goes before it, even when it is the first of its sentence; a token longer than the budget stays. Blank lines
    stay as they are. Lines lose the white space at their end.

    Source: scripts/preprocess.py of the Hugging Face token-classification example.
    """
    stream = iter(lines)
    used = 0
    while block := [line.rstrip() for line in islice(stream, LINES_AHEAD)]:
        known = subwords(line.split(maxsplit=1)[0] for line in block if line)
        for line in block:
            if not line:
                counts.sentences += used > 0
                used = 0
                yield "\n"
                continue
            length = len(known[line.split(maxsplit=1)[0]])
            if length == 0:
                counts.dropped += 1
                continue
            if used + length > budget:
                counts.breaks += 1
                counts.sentences += used > 0
                used = 0
                yield "\n"
            used += length
            counts.tokens += 1
            yield line + "\n"
    counts.sentences += used > 0


def _line_count(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _tell(facts: dict[str, dict[str, int]], kind: str, what: str) -> None:
    """Say what is gone or cut: nothing is lost in silence."""
    found = [f"{counts[kind]:,} in {split}" for split, counts in facts.items() if counts[kind]]
    if found:
        note.warning("%s: %s", what, ", ".join(found))
