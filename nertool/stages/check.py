"""Report what each split holds and all that is odd, with file and line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import typer

from nertool.corpus.blocks import LONGEST_SENTENCE, read_blocks
from nertool.corpus.check_report import Finding, Report
from nertool.corpus.column_files import TaggedRow, group_sentences
from nertool.corpus.files import numbered_lines, open_bytes, open_text, translate_read_errors
from nertool.corpus.findings import report_on
from nertool.corpus.line_cache import REMEMBERED_WORDS, LineCache
from nertool.corpus.profile import FirstSeen, Place, Places, Profile
from nertool.corpus.recognise import recognise_tags
from nertool.corpus.unicode_forms import words_in_two_forms
from nertool.errors import InvalidOption, MissingInput
from nertool.models.encode import count_subwords
from nertool.models.names import holds_tagger, load_tokenizer, quiet_transformers, resolve_model
from nertool.progress import bar
from nertool.sources.doubts import SENTENCES_HELP, Doubts, is_long
from nertool.sources.recipes import recipe_of
from nertool.sources.shell_filters import Filters
from nertool.spelling import Spelling
from nertool.stages.options import (
    BatchSizeOption,
    LearningRateOption,
    MaxLengthOption,
    ModelOption,
    NumEpochsOption,
    SeedOption,
    TrustRemoteCodeOption,
)
from nertool.workspace.names import RAW
from nertool.workspace.option_values import refuse_unused
from nertool.workspace.stage_options import StageOptions
from nertool.workspace.workspace import Workspace

OF_FOLDS = ("num_epochs", "batch_size", "learning_rate", "seed")
"""Options that only the trainings of folds use."""


@dataclass(frozen=True)
class Options(StageOptions):
    """Options of `check`."""

    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Labels": ("folds", *OF_FOLDS, "split", "first", "page", "decisions")
    }

    model: ModelOption = "minilm"
    max_length: MaxLengthOption = 128
    labels: Annotated[
        bool,
        typer.Option(
            "--labels",
            help="List the gold tags that are probably wrong, by models that have not seen them: a fine-tuned --model, "
            "or one for each fold.",
        ),
    ] = False
    trust_remote_code: TrustRemoteCodeOption = False
    fail_on: Annotated[
        Literal["error", "warning"] | None,
        typer.Option(
            "--fail-on",
            help="Exit with 1 if there is a finding this severe or more; without this option always with 0.",
        ),
    ] = None
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            min=2,
            max=100,
            help="Train so many models from --model; each judges the sentences that it has not seen "
            "[default: 5, unless --model is fine-tuned].",
            show_default=False,
        ),
    ] = None
    num_epochs: NumEpochsOption = 3.0
    batch_size: BatchSizeOption = 32
    learning_rate: LearningRateOption = 5e-5
    seed: SeedOption = 1
    split: Annotated[
        list[str] | None,
        typer.Option(
            "--split",
            help="Split whose tags are judged: train, dev or test; may be repeated [default: train for folds, dev and "
            "test for a fine-tuned model].",
            show_default=False,
        ),
    ] = None
    first: Annotated[int, typer.Option("--first", min=1, help="Number of places to list.")] = 50
    page: Annotated[
        str | None, typer.Option("--page", help="HTML file to write, in which one looks through the places.")
    ] = None
    decisions: Annotated[
        str | None,
        typer.Option(
            "--decisions",
            help="File to write, a place a line, in which somebody decides what download --decisions takes in.",
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse values that make no sense, and options that do not go together."""
        super().__post_init__()
        if self.labels:
            refuse_unused(self, ("fail_on",), "does not go with --labels, which is no finding")
        else:
            refuse_unused(
                self, ("folds", "split", "first", "page", "decisions"), "is for --labels", "Give both, or none."
            )

    @property
    def needless(self) -> Mapping[str, str]:
        """The options of trainings, where there are none."""
        if not self.labels:
            return dict.fromkeys(OF_FOLDS, "is for the models of check --labels")
        if self.fine_tuned:
            return dict.fromkeys((*OF_FOLDS, "max_length"), "is for --folds, and --model is fine-tuned: it only judges")
        return {}

    @property
    def fine_tuned(self) -> bool:
        """Whether `--model` judges as it is, since it is fine-tuned and no folds are asked for."""
        return self.folds is None and holds_tagger(Path(resolve_model(self.model)))


def run(workspace: Workspace, options: Options) -> Report:
    """Look at `{split}.txt.tmp` (or `{split}.txt`, where there is no such file) and at the published files in `raw/`.

    Raises:
        MissingInput: there are no data.
        InvalidData: a file is not text in UTF-8 (names file and line).
    """
    with workspace.reading():
        return _check(workspace, options)


def _check(workspace: Workspace, options: Options) -> Report:
    paths = workspace.data_files()
    if not paths:
        raise MissingInput(f"{workspace.path} holds no data", f"Run: {workspace.data_command()}")
    spelling = recognise_tags(paths.values()).spelling
    cache, budget, why_no_lengths = _load_tokenizer(options, spelling)
    profiles = _profiles(paths, cache, budget)
    report = report_on(profiles, located=True, spelling=spelling)
    for profile in profiles.values():
        report.findings += _doubts(profile)
    report.findings += _two_forms(paths, cache)
    report.findings += _odd_published_lines(workspace)
    report.findings += _carriage_returns(paths)
    if why_no_lengths:
        first_split = next(iter(paths))
        report.findings.append(Finding("info", "lengths were not looked at", first_split, 1, detail=why_no_lengths))
    report.sort()
    return report


def _load_tokenizer(options: Options, spelling: Spelling) -> tuple[LineCache, int | None, str]:
    """A cache of lines with their sub-words, and the sub-words of a sentence without special tokens.

    Without a tokenizer there is no such number; the third part says why.
    """
    quiet_transformers()
    try:
        tokenizer = load_tokenizer(options.model, options.trust_remote_code)
    except InvalidOption as error:
        return LineCache(spelling=spelling), None, error.message
    budget = options.max_length - tokenizer.num_special_tokens_to_add()
    return LineCache(partial(count_subwords, tokenizer), spelling), budget, ""


def _profiles(paths: Mapping[str, Path], cache: LineCache, budget: int | None) -> dict[str, Profile]:
    """Count what the files of the splits hold.

    Raises:
        InvalidData: a file is not text in UTF-8 (names file and line).
    """
    profiles: dict[str, Profile] = {}
    seen: dict[bytes, FirstSeen] = {}
    for split, path in paths.items():
        profile = profiles[split] = Profile(split, path, budget)
        with bar(f"check {split}", path.stat().st_size, "B") as (progress, task):
            for block in read_blocks(path):
                cache.add(block, path)
                profile.add(block, cache, seen)
                progress.advance(task, sum(map(len, block.lines)))
    return profiles


def _doubts(profile: Profile) -> Iterator[Finding]:
    """Find what `download` would refuse: data that cannot be right."""
    start = [Place(profile.path, 1)]
    doubts = Doubts(profile.split)
    for _ in doubts.watch(group_sentences(_sound_rows(profile.path), profile.path)):
        if doubts.is_settled:
            break
    wrong = doubts.find()
    if wrong:
        what, mend = wrong
        yield Finding("error", what, profile.split, 1, start, detail=mend)
    if is_long(profile.sentences, profile.tokens):
        what = f"one sentence of {profile.tokens:,} tokens"
        yield Finding("warning", what, profile.split, 1, start, detail=SENTENCES_HELP)


def _sound_rows(path: Path) -> Iterator[TaggedRow]:
    """Read tokens with their tags up to an endless sentence; lines without a tag are passed over."""
    last_end = 0
    for number, line in numbered_lines(path):
        line = line.rstrip()
        token, _, rest = line.partition(" ")
        if token and rest:
            yield number, (token, rest.rpartition(" ")[2])
        elif not line:
            yield number, None
            last_end = number
        if number - last_end > LONGEST_SENTENCE:
            return


def _two_forms(paths: Mapping[str, Path], cache: LineCache) -> Iterator[Finding]:
    """Find words that occur in two Unicode forms."""
    yield from words_in_two_forms(paths, cache)
    if len(cache.not_nfc) == REMEMBERED_WORDS:
        what = "words not in NFC were compared in part"
        why = f"only the first {REMEMBERED_WORDS:,} distinct ones are looked for in NFC"
        yield Finding("info", what, next(iter(paths)), 1, detail=why)


def _odd_published_lines(workspace: Workspace) -> Iterator[Finding]:
    """Find lines of the published files with fewer or more fields than most."""
    recipe = recipe_of(workspace.facts("download"))
    if recipe is None or recipe.filters is None:
        return
    for split, published in recipe.files.items():
        path = workspace / RAW / published.name
        if not path.is_file():
            continue
        usual = _usual_width(path, recipe.filters)
        places = Places()
        for number, width in enumerate(_widths(path, recipe.filters), start=1):
            if width and width != usual:
                places.add(path, number, f"{width} fields")
        if places.count:
            what = f"line without the {usual} fields that others have"
            yield Finding("warning", what, split, places.count, places.first)


def _usual_width(path: Path, filters: Filters) -> int:
    """How many fields most lines have; 0 without a line that has any."""
    counts = Counter(_widths(path, filters))
    del counts[0]
    return counts.most_common(1)[0][0] if counts else 0


def _widths(path: Path, filters: Filters) -> Iterator[int]:
    """How many fields each line has; 0 for a blank line or a comment."""
    with translate_read_errors(path), open_bytes(path) as file:
        for line in file:
            empty = not line.strip() or (filters.drop_comments and line.startswith(b"#"))
            yield 0 if empty else line.count(filters.delimiter) + 1


def _carriage_returns(paths: Mapping[str, Path]) -> Iterator[Finding]:
    for split, path in paths.items():
        places = Places()
        with open_text(path, newline="") as file, translate_read_errors(path):
            for number, line in enumerate(file, start=1):
                if line.endswith(("\r\n", "\r")):
                    places.add(path, number)
        if places.count:
            yield Finding("info", "line that ends with a carriage return", split, places.count, places.first)
