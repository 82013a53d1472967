"""Drop tokens without sub-words and break long sentences, byte for byte as the README's scripts/preprocess.py."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import typer

from nertool.corpus.findings import report_on
from nertool.corpus.known_lines import KnownLines, read_blocks
from nertool.corpus.max_length import Counts, Fitting
from nertool.corpus.profile import Known, Profile
from nertool.corpus.repair import Repair, recognise_scheme
from nertool.errors import InvalidData, InvalidOption, MissingInput
from nertool.models.encode import count_subwords
from nertool.models.names import TOKENIZER_FILES, load_tokenizer, model_sources, quiet_transformers
from nertool.progress import bar, logger
from nertool.stages.options import ForceOption, MaxLengthOption, ModelOption
from nertool.workspace.workspace import Result, Stage, StageOptions, StageRun, Workspace


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `preprocess`."""

    model: ModelOption = "minilm"
    max_length: MaxLengthOption = 128
    keep_entities: Annotated[
        bool, typer.Option("--keep-entities", help="Break long sentences before an entity, not inside.")
    ] = False
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Mend tags that break their scheme, tokens with U+FEFF or U+200B, doubled blank lines."
        ),
    ] = False
    force: ForceOption = False


def run(workspace: Workspace, options: Options) -> Result:
    """Write `{split}.txt` from each `{split}.txt.tmp`.

    Raises:
        MissingInput: download has not been run.
        InvalidOption: the tokenizer cannot be loaded, or the length leaves no room.
        InvalidData: a file is not text in UTF-8 (names file and line), or holds no sentence.
    """
    splits = workspace.splits(".txt.tmp")
    if not splits:
        raise MissingInput(
            f"{workspace / 'train.txt.tmp'} is missing", f"Run: {workspace.command('download', 'RECIPE')}"
        )
    quiet_transformers()
    planned = StageRun(
        "preprocess",
        options,
        reads=[f"{split}.txt.tmp" for split in splits],
        writes=[f"{split}.txt" for split in splits],
        sources=model_sources(options.model, TOKENIZER_FILES),
        packages=["transformers", "tokenizers"],
        force=options.force,
    )

    def work(stage: Stage) -> None:
        tokenizer = load_tokenizer(options.model)
        budget = options.max_length - tokenizer.num_special_tokens_to_add()
        if budget < 1:
            raise InvalidOption(
                f"--max-length {options.max_length} leaves no room beside the special tokens", "Take a larger one."
            )
        known = KnownLines(partial(count_subwords, tokenizer))
        scheme = recognise_scheme(workspace / f"{split}.txt.tmp" for split in splits) if options.repair else ""
        profiles: dict[str, Profile] = {}
        seen: dict[bytes, Known] = {}
        for split in splits:
            path = workspace / f"{split}.txt.tmp"
            profiles[split] = Profile(split, path, budget)
            _fit_file(profiles[split], known, options, scheme, seen, stage)
        _tell_all(stage, options)
        stage.facts["findings"] = report_on(profiles).summary()

    return workspace.run(planned, work)


def _fit_file(
    profile: Profile, known: KnownLines, options: Options, scheme: str, seen: dict[bytes, Known], stage: Stage
) -> None:
    path, split = profile.path, profile.split
    assert profile.budget is not None
    fitting, repair = Fitting(known, profile.budget, options.keep_entities, path), Repair(scheme, path)
    blocks = read_blocks(path)
    with (
        stage.file(f"{split}.txt").open("w", encoding="utf-8", newline="\n") as out,
        bar(f"preprocess {split}", path.stat().st_size, "B") as (progress, task),
    ):
        for block in repair.mend(blocks) if options.repair else blocks:
            known.learn(block, path)
            profile.add(block, known, seen)
            text = "".join(fitting.block(block))
            out.write(text)
            progress.advance(task, len(text))
    counts = fitting.end()
    if not counts.sentences:
        raise InvalidData(f"{path}:1: no sentence in this file", "Put tokens with tags into it, or remove it.")
    stage.facts[split] = {**vars(counts), **repair.counts}


def _tell_all(stage: Stage, options: Options) -> None:
    """Say what is gone, cut or mended: nothing is lost in silence."""
    _tell(stage.facts, "dropped", "tokens without sub-words, dropped")
    _tell(stage.facts, "breaks", f"blank lines put in, so that no sentence passes {options.max_length} sub-words")
    why = "as it is longer itself" if options.keep_entities else "--keep-entities moves them"
    _tell(stage.facts, "cut", f"of these inside an entity ({why})")
    for what in sorted({key for counts in stage.facts.values() for key in counts} - vars(Counts()).keys()):
        _tell(stage.facts, what, f"repaired: {what}")


def _tell(facts: dict[str, dict[str, int]], kind: str, what: str) -> None:
    found = [f"{counts[kind]:,} in {split}" for split, counts in facts.items() if counts.get(kind)]
    if found:
        logger.warning("%s: %s", what, ", ".join(found))
