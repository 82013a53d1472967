"""Load data sets with the `datasets` library: from the Hub, or from a folder in any of its forms."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from lzma import LZMAError
from pathlib import Path
from tarfile import TarError
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from nertool.corpus.column_files import Sentence
from nertool.corpus.records import BATCH_ROWS, batch_rows, check_batch, open_arrow
from nertool.errors import ODD, DownloadFailed, InvalidData, InvalidOption
from nertool.models.names import quiet_transformers
from nertool.progress import logger
from nertool.sources.readers.layout import Layout, find_column, tag_columns
from nertool.sources.readers.rows import class_names, may_hold_texts, read_rows, read_rows_or_texts
from nertool.sources.readers.tally import Tally
from nertool.workspace.digests import read_json

if TYPE_CHECKING:
    from pyarrow import RecordBatch

SPLIT_NAMES = {
    "train": ("train", "training"),
    "dev": ("validation", "dev", "valid", "val", "development", "testa"),
    "test": ("test", "testb", "eval"),
}
"""Names that data sets give to nertool's splits, the likeliest first."""
CARDS = {
    "README.md": re.compile(r"\s*---[\r\n]+(.*?)[\r\n]---(?:[\r\n]|$)", re.DOTALL),
    ".huggingface.yaml": re.compile("(.*)", re.DOTALL),
}
"""Files of a folder that say in YAML what it holds, and where in them that stands."""
LONGEST_CARD = 1 << 20
"""Bytes of such a file that are read; the library takes a second for them."""
MANY_BREAKS = re.compile(r"[\r\n]{100}")
"""What neither the pattern above nor that of the library gets through in time."""
DAMAGED = (BadZipFile, TarError, EOFError, zlib.error, LZMAError)
"""What is raised over damaged archives, beside OSError."""
Splits = dict[str, Any]
"""A `datasets.Dataset` for each of nertool's splits."""
SCRIPT_HELP = (
    "Take its copy in Parquet: --dataset-revision refs/convert/parquet; "
    "or save it elsewhere by save_to_disk, and name that folder: --dataset DIR"
)


def load(name: str, config: str | None = None, revision: str | None = None) -> Splits:
    """Load the splits of a data set, by nertool's names (train, dev, test).

    Args:
        name: on the Hub; or a folder that `save_to_disk` wrote, or that holds Parquet, JSON or CSV files.
        config: which of the data set's configurations.
        revision: branch, tag or commit on the Hub.

    Raises:
        DownloadFailed: the data set does not exist, is out of reach, or needs a loading script.
        InvalidOption: a configuration has to be named, or no split is one of nertool's.
    """
    data = _load_any(name, config, revision)
    names = _split_names(data)
    if not names:
        raise InvalidOption(
            f"{name}: none of its splits is train, validation or test: {', '.join(data)}",
            "Save the split that you want as a file, and name that: --train-file FILE",
        )
    ignored = [split for split in data if split not in names.values()]
    if ignored:
        logger.warning("%s: splits left out: %s", name, ", ".join(ignored))
    return {split: data[their_name] for split, their_name in names.items()}


def _load_any(name: str, config: str | None, revision: str | None) -> Mapping[str, Any]:
    """Load a data set's splits by their own names; rows without splits count as train."""
    quiet_transformers()
    from datasets import Dataset, load_dataset, load_dataset_builder, load_from_disk
    from datasets import config as settings
    from datasets.exceptions import DatasetsError
    from yaml import YAMLError

    settings.HF_DATASETS_TRUST_REMOTE_CODE = False  # releases that run loading scripts would ask on standard input

    folder = Path(name)
    own_files = sorted(path for path in folder.rglob("*.arrow") if path.is_file()) if folder.is_dir() else []
    _check_files(own_files)
    try:
        if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            _check_saved(folder)
            data = load_from_disk(name)
        else:
            if folder.is_dir():
                _check_cards(folder)
                name = os.path.abspath(name)  # the library has no name for `.`
                _check_named(folder, load_dataset_builder(name, config, revision=revision).config.data_files or {})
            data = load_dataset(name, config, revision=revision)
    except (
        DatasetsError,
        YAMLError,
        OSError,
        RuntimeError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        *DAMAGED,
    ) as error:
        raise _translated(name, error) from error
    splits = {"train": data} if isinstance(data, Dataset) else dict(data)
    cached = {Path(file["filename"]) for split in splits.values() for file in split.cache_files}
    _check_files(sorted(cached.difference(own_files)))
    return splits


def _split_names(data: Mapping[str, Any]) -> dict[str, str]:
    """The data set's own name of each split that it has."""
    names: dict[str, str] = {}
    for split, likely_names in SPLIT_NAMES.items():
        for name in likely_names:
            if name in data:
                names[split] = name
                break
    return names


def read(rows: Any, name: str, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Read the sentences of one split.

    Raises:
        InvalidData: as `read_rows`.
        InvalidOption: a column does not exist.
    """
    columns = list(rows.column_names)
    numbered_rows = batch_rows(_batches(rows))
    if may_hold_texts(columns, layout):
        return read_rows_or_texts(numbered_rows, name, layout, columns, tally)
    column = find_column(name, layout.tag_column, "--tag-column", columns, tag_columns(layout.task))
    return read_rows(numbered_rows, name, layout, columns, tally, class_names(rows.features, column), " row ")


def _batches(rows: Any) -> Iterator[RecordBatch]:
    for table in rows.with_format("arrow").iter(BATCH_ROWS):
        yield from table.to_batches()


def _check_files(paths: Iterable[Path]) -> None:
    """Check Arrow files before `datasets` maps them into memory, slices and converts them without a look.

    Raises:
        InvalidData: one is damaged.
    """
    for path in paths:
        with open_arrow(path) as (_, batches):
            for batch in batches:
                check_batch(batch)


def _check_cards(folder: Path) -> None:
    """Check that what a folder says of itself in YAML is short, and that no part of it stands for others.

    A few lines, each of which names the one before several times, stand for more than any memory holds.

    Raises:
        InvalidData: it is not.
        yaml.YAMLError: it is no YAML.
    """
    import yaml

    for path in (folder / name for name in CARDS):
        if not path.is_file():
            continue
        if path.stat().st_size > LONGEST_CARD:
            raise InvalidData(f"{path} has more than {LONGEST_CARD >> 20} MiB", "Shorten it, or remove it.")
        text = path.read_text(encoding="utf-8", errors="replace")
        if MANY_BREAKS.search(text):
            raise InvalidData(f"{path} has a hundred empty lines together", "Take them out.")
        head = CARDS[path.name].match(text)
        if head and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(head[1])):
            raise InvalidData(f"{path} has names for parts of its YAML (& and *)", "Write these parts out.")


def _check_named(folder: Path, files: Mapping[str, Iterable[str]]) -> None:
    """Check that a folder holds its files, as its card may name any others. A link in it may lead anywhere.

    Args:
        files: by split, as the library has found them.

    Raises:
        InvalidData: it does not.
    """
    for name in (name for names in files.values() for name in names):
        if not Path(os.path.abspath(name)).is_relative_to(os.path.abspath(folder)):
            raise InvalidData(
                f"{folder / 'README.md'} names a file outside the folder: {name}", "Take it out of there."
            )


def _check_saved(folder: Path) -> None:
    """Check that the data of a folder that `save_to_disk` wrote are in it, in the files that were looked at.

    Raises:
        InvalidData: they are not.
    """
    try:
        parts = [folder]
        if (folder / "dataset_dict.json").is_file():
            parts = [folder / name for name in read_json(folder / "dataset_dict.json")["splits"]]
        for part in parts:
            for file in read_json(part / "state.json")["_data_files"]:
                path = part / file["filename"]
                if path.suffix != ".arrow" or not path.resolve().is_relative_to(folder.resolve()):
                    raise ValueError(f"{path} is no Arrow file in it")
    except ODD + (OSError,) as error:
        raise InvalidData(
            f"{folder} is not what save_to_disk writes ({type(error).__name__}: {error})", "Save the data set anew."
        ) from error


def _translated(name: str, error: Exception) -> DownloadFailed | InvalidOption:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    if "scripts are no longer" in reason or "trust_remote_code" in reason:
        return DownloadFailed(f"{name} needs a loading script, and those are no longer run: {reason}", SCRIPT_HELP)
    if reason.startswith(("Config name is missing", "BuilderConfig ")):
        return InvalidOption(f"{name}: {' '.join(str(error).split())[:300]}", "Name one: --dataset-config NAME")
    return DownloadFailed(
        f"{name} cannot be had from the hub: {reason}",
        "Name a data set that is there, or a folder that holds it (save_to_disk or Parquet): --dataset DIR",
    )
