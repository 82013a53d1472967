"""The three kinds of source of a download: a recipe's published files, files of one's own, and data sets of the Hub.

Each has the same five members: `splits`, `label`, `packages`, `files` and `bring`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nertool.corpus.files import open_bytes, translate_read_errors
from nertool.errors import DownloadFailed, InvalidData, InvalidOption, MissingInput
from nertool.sources import hub
from nertool.sources.fetch import fetch
from nertool.sources.readers import read_file
from nertool.sources.readers.layout import Layout
from nertool.sources.readers.tally import Tally
from nertool.sources.recipes import Recipe
from nertool.sources.shell_filters import Filters
from nertool.sources.write_splits import named, write_split
from nertool.workspace.digests import digest
from nertool.workspace.names import RAW, SPLITS
from nertool.workspace.workspace import Stage


@dataclass(frozen=True)
class OwnFiles:
    """Files of the user's own.

    Attributes:
        paths: by split.
        layout: where tokens and tags stand in them.
    """

    paths: Mapping[str, Path]
    layout: Layout
    label = "own files"
    """What the record names the source."""
    packages = ()
    """Packages whose versions bear on the result."""

    @property
    def splits(self) -> Iterable[str]:
        """Splits that will be written."""
        return self.paths

    def files(self) -> dict[str, Path]:
        """Files outside the workspace, by names without a machine path.

        Raises:
            MissingInput: one is not there.
        """
        for path in self.paths.values():
            try:
                digest(path)
            except MissingInput as error:
                raise MissingInput(error.message, "Name a file that is there.") from error
        return {split + read_file.form(path): path for split, path in self.paths.items()}

    def bring(self, stage: Stage, limit: int | None) -> None:
        """Write `{split}.txt.tmp` and its counts.

        Raises:
            InvalidData: a file holds no sentence, or is not what it should be (names file and line).
        """
        for split, path in self.paths.items():
            tally = Tally()
            write_split(split, read_file.read(path, self.layout, tally), stage, tally, limit)
            if not stage.facts[split]["sentences"]:
                raise InvalidData(f"{path}:1: no sentence in this file", "Name a file that holds tokens with tags.")


@dataclass(frozen=True)
class HubData:
    """A data set of the Hugging Face Hub, or a folder that holds one.

    Attributes:
        name: on the Hub, or of the folder.
        config, revision: which configuration, and which branch, tag or commit.
        layout: where tokens and tags stand in its rows.
        published_files: of the recipe that it belongs to; empty without one.
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
        """What the record names the source."""
        return Path(self.name).name if Path(self.name).is_dir() else self.name

    def files(self) -> dict[str, Path]:
        """Files of the folder, by their names in it; none for a data set of the Hub."""
        folder = Path(self.name)
        if not folder.is_dir():
            return {}
        return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}

    def bring(self, stage: Stage, limit: int | None) -> None:
        """Write `{split}.txt.tmp` and its counts.

        Raises:
            DownloadFailed: the data set is out of reach, or needs a loading script.
        """
        try:
            splits = hub.load(self.name, self.config, self.revision)
        except DownloadFailed as error:
            if not self.published_files:
                raise
            names = ", ".join(self.published_files)
            raise DownloadFailed(error.message, f"Name a folder that holds {names}: --source DIR") from error
        for split, rows in splits.items():
            tally = Tally()
            write_split(split, hub.read(rows, self.name, self.layout, tally), stage, tally, limit)


@dataclass(frozen=True)
class PublishedFiles:
    """The files of a recipe as they are published: in a folder, at a URL, or made here.

    Attributes:
        recipe: names them.
        source: folder or base URL that holds them; None for where the recipe has them from.
        layout: where tokens and tags stand in them.
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
        """Splits that will be written."""
        return self.recipe.files

    @property
    def label(self) -> str:
        """What the record names the source."""
        if self.source and "://" not in self.source:
            return "folder"
        return self.source or self.recipe.home

    def files(self) -> dict[str, Path]:
        """Published files in the source folder, by their names; none where they come from elsewhere.

        Raises:
            InvalidOption: there is no such folder, or it lacks one of them.
        """
        return {path.name: path for path in self._in_folder().values()}

    def _in_folder(self) -> dict[str, Path]:
        """By split."""
        if self.source is None or self.source.startswith(("http://", "https://")):
            return {}
        folder = Path(self.source)
        if not folder.is_dir():
            raise InvalidOption(
                f"--source {self.source}: no such folder", "Name a folder, or a base URL that begins with http."
            )
        names = {split: published.name for split, published in self.recipe.files.items()}
        missing = [name for name in names.values() if not (folder / name).is_file()]
        if missing:
            raise InvalidOption(
                f"--source {self.source}: {', '.join(missing)} not there",
                f"{self.recipe.name} is published as {', '.join(names.values())}.",
            )
        return {split: folder / name for split, name in names.items()}

    def bring(self, stage: Stage, limit: int | None) -> None:
        """Write the files into `raw/`, byte for byte, and what follows from them into `{split}.txt.tmp`.

        Raises:
            DownloadFailed: a file cannot be had whole.
            InvalidData: a file is not what it should be (names file and line).
        """
        local = self._in_folder()
        self._fill_raw(stage, local)
        for split, published in self.recipe.files.items():
            raw = local.get(split) or stage.staging / "files" / RAW / published.name
            with named(raw, str(raw) if local else published.name):
                self._convert(split, raw, stage, limit)
        shutil.rmtree(self.partials, ignore_errors=True)

    def _fill_raw(self, stage: Stage, local: Mapping[str, Path]) -> None:
        made = self.recipe.generate() if self.recipe.generate and self.source is None else {}
        for split, published in self.recipe.files.items():
            raw = stage.file(f"{RAW}/{published.name}")
            if local:
                shutil.copyfile(local[split], raw)
            elif published.name in made:
                raw.write_bytes(made[published.name])
            else:
                url = f"{self.source.rstrip('/')}/{published.name}" if self.source else published.url
                fetch(url, raw, self.partials / published.name)

    def _convert(self, split: str, raw: Path, stage: Stage, limit: int | None) -> None:
        if self.filters is None:
            tally = Tally()
            write_split(split, read_file.read(raw, self.layout, tally), stage, tally, limit)
            return
        target = stage.file(f"{split}.txt.tmp")
        with translate_read_errors(raw), open_bytes(raw) as source, target.open("wb") as lines:
            stage.facts[split] = self.filters.apply(source, lines)
