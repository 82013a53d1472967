"""Data sets that the `datasets` library loads: from the hub, or from a folder in any of its forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nertool.corpus.column_files import Sentence
from nertool.errors import DownloadFailed, InvalidOption
from nertool.models.names import quiet_transformers
from nertool.progress import logger
from nertool.sources.readers.layout import Layout, find_column
from nertool.sources.readers.rows import ROWS_AHEAD, class_names, read_rows, tag_columns
from nertool.sources.readers.tally import Tally

SPLIT_NAMES = {
    "train": ("train", "training"),
    "dev": ("validation", "dev", "valid", "val", "development", "testa"),
    "test": ("test", "testb", "eval"),
}
"""Names that data sets give to our splits, the likeliest first."""
SCRIPT_HELP = (
    "Take its copy in Parquet: --dataset-revision refs/convert/parquet; "
    "or save it elsewhere by save_to_disk, and name that folder: --dataset DIR"
)


def load(name: str, config: str | None = None, revision: str | None = None) -> dict[str, Any]:
    """The splits of a data set, by our names (train, dev, test).

    Args:
        name: on the hub; or a folder that `save_to_disk` wrote, or that holds Parquet, JSON or CSV files.
        config: which of the data set's configurations.
        revision: branch, tag or commit on the hub.

    Raises:
        DownloadFailed: it is not there, out of reach, or needs a loading script.
        InvalidOption: a configuration has to be named, or it has no split that is one of ours.
    """
    quiet_transformers()
    from datasets import Dataset, DatasetDict, load_dataset, load_from_disk
    from datasets.exceptions import DatasetsError

    folder = Path(name)
    try:
        if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            found = load_from_disk(name)
        else:
            found = load_dataset(name, config, revision=revision)
    except (DatasetsError, OSError, RuntimeError, ValueError, LookupError) as error:
        raise _failed(name, error) from error
    if isinstance(found, Dataset):
        found = DatasetDict(train=found)
    splits = {split: next((n for n in names if n in found), None) for split, names in SPLIT_NAMES.items()}
    if not any(splits.values()):
        raise InvalidOption(
            f"{name}: none of its splits is train, validation or test: {', '.join(found)}",
            "Save the split that you want as a file, and name that: --train-file FILE",
        )
    ignored = [split for split in found if split not in splits.values()]
    if ignored:
        logger.warning("%s: splits left out: %s", name, ", ".join(ignored))
    return {split: found[there] for split, there in splits.items() if there}


def read(rows: Any, name: str, layout: Layout, tally: Tally) -> Iterator[Sentence]:
    """Sentences of one split.

    Raises:
        InvalidData: as `read_rows`.
        InvalidOption: there is no such column.
    """
    columns = list(rows.column_names)
    column = find_column(name, layout.tag_column, "--tag-column", columns, tag_columns(layout.task))
    numbered = enumerate(_one_by_one(rows), start=1)
    return read_rows(numbered, name, layout, columns, tally, class_names(rows.features, column), " row ")


def _one_by_one(rows: Any) -> Iterator[Mapping[str, Any]]:
    for batch in rows.iter(ROWS_AHEAD):
        keys = list(batch)
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(keys, values, strict=True))


def _failed(name: str, error: Exception) -> DownloadFailed | InvalidOption:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    if "scripts are no longer" in reason or "trust_remote_code" in reason:
        return DownloadFailed(f"{name} needs a loading script, and those are no longer run: {reason}", SCRIPT_HELP)
    if reason.startswith(("Config name is missing", "BuilderConfig ")):
        return InvalidOption(f"{name}: {' '.join(str(error).split())[:300]}", "Name one: --dataset-config NAME")
    return DownloadFailed(
        f"{name} cannot be had from the hub: {reason}",
        "Name a data set that is there, or a folder that holds it (save_to_disk or Parquet): --dataset DIR",
    )
