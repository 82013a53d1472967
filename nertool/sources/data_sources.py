"""The three kinds of source of a download: a recipe's published files, files of one's own, and data sets of the Hub."""

from __future__ import annotations

import codecs
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from nertool.addresses import without_secrets
from nertool.corpus.files import is_utf8, open_bytes, translate_read_errors
from nertool.errors import DownloadFailed, InvalidData, InvalidOption, MissingInput
from nertool.sources import hub
from nertool.sources.doubts import Doubts
from nertool.sources.facts import SplitCounts
from nertool.sources.fetch import fetch, file_in
from nertool.sources.readers import read_file, used_options
from nertool.sources.readers.layout import Layout
from nertool.sources.recipes import Recipe
from nertool.sources.shell_filters import Filters
from nertool.sources.write_splits import cut_split, errors_name, write_split
from nertool.workspace.digests import digest
from nertool.workspace.names import RAW, SPLITS
from nertool.workspace.stage import Stage


class DataSource(Protocol):
    """What each kind of source has."""

    @property
    def label(self) -> str:
        """What the record names the source."""

    @property
    def splits(self) -> Iterable[str]:
        """Splits that may be written."""

    @property
    def packages(self) -> Collection[str]:
        """Packages whose versions bear on the result."""

    def files(self) -> dict[str, Path]:
        """Files outside the workspace that are read, by names without a machine path.

        Raises:
            NertoolError: a file is missing.
        """

    def bring(self, stage: Stage, limit: int | None) -> dict[str, SplitCounts]:
        """Write `{split}.txt.tmp`, with no more than `limit` sentences each; returns the counts by split.

        Raises:
            NertoolError: the data cannot be had, or are not what they should be (names file and line).
        """


@dataclass(frozen=True)
class OwnFiles:
    """Files of the user's own.

    Attributes:
        paths: by split.
        layout: which columns hold tokens and tags.
    """

    paths: Mapping[str, Path]
    layout: Layout
    label = "own files"
    packages = ()

    @property
    def splits(self) -> Iterable[str]:
        """Splits that are named."""
        return self.paths

    def files(self) -> dict[str, Path]:
        """The files, each by its split and its form.

        Raises:
            MissingInput: a file is missing.
        """
        files: dict[str, Path] = {}
        for split, path in self.paths.items():
            for end, file in read_file.files_of(path).items():
                try:
                    digest(file)
                except MissingInput as error:
                    raise MissingInput(error.message, "Name a file that is there.") from error
                files[split + end] = file
        return files

    def bring(self, stage: Stage, limit: int | None) -> dict[str, SplitCounts]:
        """Write `{split}.txt.tmp`.

        Raises:
            InvalidData: a file holds no sentence, or is not what it should be (names file and line).
        """
        used_options.refuse_unused(self.layout, [_with_uses(path, self.layout) for path in self.paths.values()])
        counts: dict[str, SplitCounts] = {}
        for split, path in self.paths.items():
            doubts = None if self.layout.as_is else Doubts(str(path), self.layout.task)
            self._check_encoding(path)
            counts[split] = write_split(split, partial(read_file.read, path, self.layout), stage, limit, doubts)
            if not counts[split]["sentences"]:
                raise InvalidData(f"{path}:1: no sentence in this file", "Name a file that holds tokens with tags.")
        return counts

    def _check_encoding(self, path: Path) -> None:
        """Check that --encoding is not asked for what needs none.

        Raises:
            InvalidData: the file is UTF-8, of which another encoding would make other letters.
        """
        encoding = self.layout.encoding
        if self.layout.as_is or codecs.lookup(encoding).name.startswith("utf") or not path.is_file():
            return
        with translate_read_errors(path):
            if is_utf8(path):
                what = f"{path}: this is UTF-8, of which --encoding {encoding} makes other letters"
                raise InvalidData(what, "Leave --encoding out; to read it so all the same: --accept-as-is.")


def _with_uses(path: Path, layout: Layout) -> tuple[Path, frozenset[str], used_options.ReadFile]:
    """A file with the options that it has a use for by its name alone, and what reads it."""
    return path, used_options.of_file(read_file.form(path)), partial(read_file.read, path, layout)


@dataclass(frozen=True)
class HubData:
    """A data set of the Hugging Face Hub, or a folder that holds one.

    Attributes:
        name: on the Hub, or of the folder.
        config, revision: which configuration, and which branch, tag or commit.
        layout: which columns hold tokens and tags.
        published_files: names of the files of the recipe that the data set belongs to; empty without a recipe.
    """

    name: str
    config: str | None
    revision: str | None
    layout: Layout
    published_files: tuple[str, ...] = ()
    splits = SPLITS
    packages = ("datasets",)

    @property
    def label(self) -> str:
        """Name of the data set; of a folder without the path to it."""
        return Path(self.name).name if Path(self.name).is_dir() else without_secrets(self.name)

    def files(self) -> dict[str, Path]:
        """Files of the folder, by their names in it; none for a data set of the Hub."""
        folder = Path(self.name)
        if not folder.is_dir():
            return {}
        return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}

    def bring(self, stage: Stage, limit: int | None) -> dict[str, SplitCounts]:
        """Write `{split}.txt.tmp`.

        Raises:
            DownloadFailed: the data set is out of reach, or needs a loading script.
            InvalidData: a row is not what it should be (names the row).
            InvalidOption: a configuration or a column has to be named.
        """
        counts: dict[str, SplitCounts] = {}
        splits = self._load()
        none: frozenset[str] = frozenset()
        reads = (partial(hub.read, rows, self.name, self.layout) for rows in splits.values())
        used_options.refuse_unused(self.layout, ((self.name, none, read) for read in reads))
        for split, rows in splits.items():
            doubts = None if self.layout.as_is else Doubts(f"{self.name}, {split}", self.layout.task)
            counts[split] = write_split(split, partial(hub.read, rows, self.name, self.layout), stage, limit, doubts)
        return counts

    def _load(self) -> hub.Splits:
        try:
            return hub.load(self.name, self.config, self.revision)
        except DownloadFailed as error:
            if not self.published_files:
                raise
            names = ", ".join(self.published_files)
            raise DownloadFailed(error.message, f"Name a folder that holds {names}: --source DIR") from error


@dataclass(frozen=True)
class PublishedFiles:
    """The files of a recipe as they are published: in a folder, at a URL, or generated here.

    Attributes:
        recipe: names the files.
        source: folder or base URL that holds them; None for the place that the recipe names.
        layout: which columns hold tokens and tags.
        filters: how lines become `token, space, tag`, where the README has a shell pipeline for that.
        partials: a folder for the beginnings of broken transfers.
    """

    recipe: Recipe
    source: str | None
    layout: Layout
    filters: Filters | None
    partials: Path
    packages = ()

    @property
    def splits(self) -> Iterable[str]:
        """Splits of the recipe."""
        return self.recipe.files

    @property
    def label(self) -> str:
        """The base URL, `folder`, or the place that the recipe names."""
        if self.source and "://" not in self.source:
            return "folder"
        return without_secrets(self.source or self.recipe.home)

    def files(self) -> dict[str, Path]:
        """Published files in the source folder, by their names; none where they come from elsewhere.

        Raises:
            InvalidOption: the folder does not exist, or lacks a file.
        """
        return {path.name: path for path in self._files_in_folder().values()}

    def bring(self, stage: Stage, limit: int | None) -> dict[str, SplitCounts]:
        """Write the files into `raw/`, byte for byte, and what follows from them into `{split}.txt.tmp`.

        Raises:
            DownloadFailed: a file cannot be had whole.
            InvalidData: a file is not what it should be (names file and line).
        """
        in_folder = self._files_in_folder()
        self._fill_raw(stage, in_folder)
        if self.filters is None:
            raw = [
                in_folder.get(split) or stage.staged(f"{RAW}/{file.name}") for split, file in self.recipe.files.items()
            ]
            used_options.refuse_unused(self.layout, [_with_uses(path, self.layout) for path in raw])
        counts: dict[str, SplitCounts] = {}
        for split, published in self.recipe.files.items():
            if in_folder:
                counts[split] = self._bring_split(split, in_folder[split], stage, limit)
                continue
            staged = stage.staged(f"{RAW}/{published.name}")
            with errors_name(staged, published.name):
                counts[split] = self._bring_split(split, staged, stage, limit)
        shutil.rmtree(self.partials, ignore_errors=True)
        return counts

    def _files_in_folder(self) -> dict[str, Path]:
        """Published files in the source folder, by split."""
        if self.source is None or self.source.startswith(("http://", "https://")):
            return {}
        folder = Path(self.source)
        if not folder.is_dir():
            raise InvalidOption(
                f"--source {self.source}: no such folder", "Name a folder, or a base URL that begins with http."
            )
        paths = {split: folder / published.name for split, published in self.recipe.files.items()}
        missing = [path.name for path in paths.values() if not path.is_file()]
        if missing:
            raise InvalidOption(
                f"--source {self.source}: {', '.join(missing)} not there",
                f"{self.recipe.name} is published as {', '.join(path.name for path in paths.values())}.",
            )
        return paths

    def _fill_raw(self, stage: Stage, in_folder: Mapping[str, Path]) -> None:
        generated = self.recipe.generate() if self.recipe.generate and self.source is None else {}
        for split, published in self.recipe.files.items():
            raw = stage.file(f"{RAW}/{published.name}")
            if in_folder:
                shutil.copyfile(in_folder[split], raw)
            elif published.name in generated:
                raw.write_bytes(generated[published.name])
            else:
                url = file_in(self.source, published.name) if self.source else published.url
                fetch(url, raw, self.partials / published.name)

    def _bring_split(self, split: str, raw: Path, stage: Stage, limit: int | None) -> SplitCounts:
        if self.filters is None:
            return write_split(split, partial(read_file.read, raw, self.layout), stage, limit)
        target = stage.file(f"{split}.txt.tmp")
        with translate_read_errors(raw), open_bytes(raw) as source, target.open("wb") as lines:
            counts = self.filters.apply(source, lines)
        return {**counts, **cut_split(split, stage, limit)} if limit else counts
