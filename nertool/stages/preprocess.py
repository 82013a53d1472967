"""Drop tokens without sub-words and break long sentences, byte for byte as the README's scripts/preprocess.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, cast

import typer

from nertool.corpus.blocks import read_blocks
from nertool.corpus.facts import LengthCounts, PreprocessCounts, PreprocessFacts
from nertool.corpus.findings import report_on
from nertool.corpus.line_cache import LineCache
from nertool.corpus.max_length import LengthLimit
from nertool.corpus.profile import FirstSeen, Profile
from nertool.corpus.recognise import recognise_tags
from nertool.corpus.repair import Repair, recognise_scheme
from nertool.errors import InvalidData, InvalidOption, MissingInput
from nertool.models.encode import count_subwords
from nertool.models.names import TOKENIZER_FILES, load_tokenizer, model_sources, quiet_transformers
from nertool.progress import bar, logger
from nertool.spelling import Spelling
from nertool.stages.options import ForceOption, MaxLengthOption, ModelOption, TrustRemoteCodeOption
from nertool.workspace.stage import Result, Stage, StageRun
from nertool.workspace.stage_options import StageOptions
from nertool.workspace.workspace import Workspace


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
    trust_remote_code: TrustRemoteCodeOption = False
    force: ForceOption = False


def run(workspace: Workspace, options: Options) -> Result:
    """Write `{split}.txt` from each `{split}.txt.tmp`.

    Raises:
        MissingInput: download has not been run.
        InvalidOption: the tokenizer cannot be loaded, or the length leaves no room.
        InvalidData: a file is not text in UTF-8 (names file and line), or holds no sentence.
    """
    quiet_transformers()
    with workspace.locked("preprocess", creates=False):
        return _preprocess(workspace, options)


def _preprocess(workspace: Workspace, options: Options) -> Result:
    splits = workspace.splits(".txt.tmp")
    if not splits:
        raise MissingInput(f"{workspace / 'train.txt.tmp'} is missing", f"Run: {workspace.data_command()}")
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
        paths = {split: workspace / f"{split}.txt.tmp" for split in splits}
        spelling = recognise_tags(paths.values()).spelling
        cache, budget = _load_tokenizer(options, spelling)
        scheme = recognise_scheme(paths.values()) if options.repair else None
        preprocessing = _Preprocessing(cache, budget, options.keep_entities, scheme)
        counts: dict[str, PreprocessCounts] = {}
        for split, path in paths.items():
            counts[split] = preprocessing.write(split, path, stage.file(f"{split}.txt"))
        _warn_of_changes(counts, options)
        facts = cast(PreprocessFacts, counts)
        facts["findings"] = report_on(preprocessing.profiles, spelling=spelling).summary()
        stage.facts = {**facts}

    return workspace.run(planned, work)


def _load_tokenizer(options: Options, spelling: Spelling) -> tuple[LineCache, int]:
    """A cache of lines with their sub-words, and the sub-words of a sentence without special tokens.

    Raises:
        InvalidOption: the tokenizer cannot be loaded, or the length leaves no room.
    """
    tokenizer = load_tokenizer(options.model, options.trust_remote_code)
    budget = options.max_length - tokenizer.num_special_tokens_to_add()
    if budget < 1:
        raise InvalidOption(
            f"--max-length {options.max_length} leaves no room beside the special tokens", "Take a larger one."
        )
    return LineCache(partial(count_subwords, tokenizer), spelling), budget


class _Preprocessing:
    """Preprocesses the splits one after the other.

    Args:
        cache: lines of all splits.
        budget: sub-words of a sentence, special tokens not included.
        keep_entities: break long sentences before an entity, not inside.
        scheme: tag scheme to repair the tags in; None repairs nothing.

    Attributes:
        profiles: what the splits so far hold.
    """

    def __init__(self, cache: LineCache, budget: int, keep_entities: bool, scheme: str | None) -> None:
        self.profiles: dict[str, Profile] = {}
        self._cache, self._budget, self._keep_entities, self._scheme = cache, budget, keep_entities, scheme
        self._seen: dict[bytes, FirstSeen] = {}

    def write(self, split: str, path: Path, target: Path) -> PreprocessCounts:
        """Write the preprocessed lines of `path` to `target`.

        Raises:
            InvalidData: the file is not text in UTF-8 (names file and line), or holds no sentence.
        """
        profile = self.profiles[split] = Profile(split, path, self._budget)
        limit = LengthLimit(self._cache, self._budget, self._keep_entities, path)
        repair = Repair(self._scheme or "", path)
        blocks = read_blocks(path)
        with (
            target.open("w", encoding="utf-8", newline="\n") as out,
            bar(f"preprocess {split}", path.stat().st_size, "B") as (progress, task),
        ):
            for block in blocks if self._scheme is None else repair.mend(blocks):
                self._cache.add(block, path)
                profile.add(block, self._cache, self._seen)
                text = "".join(limit.apply(block))
                out.write(text)
                progress.advance(task, len(text))
        counts = limit.finish()
        if not counts["sentences"]:
            raise InvalidData(f"{path}:1: no sentence in this file", "Put tokens with tags into it, or remove it.")
        return cast(PreprocessCounts, {**counts, **repair.counts})


def _warn_of_changes(counts: Mapping[str, PreprocessCounts], options: Options) -> None:
    """Warn of all that was dropped, cut or repaired: nothing is lost in silence."""
    _warn(counts, "dropped", "tokens without sub-words, dropped")
    _warn(counts, "breaks", f"blank lines put in, so that no sentence passes {options.max_length} sub-words")
    why = "as it is longer itself" if options.keep_entities else "--keep-entities moves them"
    _warn(counts, "cut", f"of these inside an entity ({why})")
    repaired: set[str] = set()
    for of_split in counts.values():
        repaired |= of_split.keys() - LengthCounts.__annotations__.keys()
    for kind in sorted(repaired):
        _warn(counts, kind, f"repaired: {kind}")


def _warn(counts: Mapping[str, Mapping[str, object]], kind: str, what: str) -> None:
    in_splits = [f"{of_split[kind]:,} in {split}" for split, of_split in counts.items() if of_split.get(kind)]
    if in_splits:
        logger.warning("%s: %s", what, ", ".join(in_splits))
