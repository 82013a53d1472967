"""Parquet, Arrow and data sets with damage anywhere are two lines: no signal, no traceback, no hang."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MUTATIONS = 300
"""Of each form."""
LARGE = [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\x00\x00\x00\x10"]
"""Offsets and lengths that lead far away."""


@pytest.mark.parametrize("form", ["arrow", "feather", "parquet", "dataset"])
def test_damage_never_ends_the_process(form: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    if form == "dataset":
        pytest.importorskip("datasets")
    command = [sys.executable, __file__, form, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    last = done.stdout.splitlines()[-1:]
    assert done.returncode == 0 and last == ["done"], (
        f"mutation {last}, status {done.returncode}: {done.stderr[-2000:]}"
    )


# -- what the process runs -------------------------------------------------------------------------


def tables() -> list[Any]:
    """Tags that are texts, tags that are integers with names, texts with spans, dictionaries, large types."""
    import pyarrow as pa

    tokens = [["anna", "visited", "oslo"], ["bruno", "left"], ["."]] * 20
    tags = [["B-PER", "O", "B-LOC"], ["B-PER", "O"], ["O"]] * 20
    plain = pa.table({"tokens": tokens, "ner_tags": tags})
    integers = pa.table({"tokens": tokens, "ner_tags": [[len(tag) % 2 for tag in row] for row in tags]})
    names = b'{"info": {"features": {"ner_tags": {"feature": {"names": ["B-PER", "O"]}}}}}'
    texts = [{"text": " ".join(row), "entities": [{"start": 0, "end": 1, "label": "PER"}]} for row in tokens]
    coded = pa.ListArray.from_arrays(
        pa.array(range(61), pa.int32()), pa.array(["anna", "oslo"] * 30).dictionary_encode()
    )
    wide = pa.large_list(pa.large_string())
    return [
        plain,
        integers.replace_schema_metadata({b"huggingface": names}),
        pa.Table.from_pylist(texts),
        pa.table({"tokens": coded, "ner_tags": coded}),
        pa.table({"tokens": pa.array(tokens, wide), "ner_tags": pa.array(tags, wide)}),
    ]


def write_arrow(table: Any, path: Path) -> None:
    import pyarrow as pa

    with pa.ipc.new_stream(str(path), table.schema) as out:
        out.write_table(table, max_chunksize=25)


def write_feather(table: Any, path: Path) -> None:
    import pyarrow as pa

    compression = "lz4" if "text" in table.schema.names else None
    with pa.ipc.new_file(str(path), table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as out:
        out.write_table(table, max_chunksize=25)


def write_parquet(table: Any, path: Path) -> None:
    from pyarrow import parquet

    parquet.write_table(table, path, row_group_size=25, use_dictionary="text" not in table.schema.names)


def write_dataset(table: Any, path: Path) -> None:
    import datasets

    path.unlink(missing_ok=True)
    datasets.disable_progress_bars()
    datasets.Dataset(table.replace_schema_metadata(None)).save_to_disk(str(path))


def mutate(content: bytes, chance: random.Random) -> bytes:
    """Cut a file short, flip bits, put large numbers into it, or take a piece out; at its ends, as often as within."""
    damaged, at = bytearray(content), chance.randrange(len(content))
    if chance.random() < 0.5:  # where the metadata are
        at = chance.choice([at % 1000, len(content) - 1 - at % 1000]) % len(content)
    kind = chance.randrange(5)
    if kind == 0:
        del damaged[at:]
    elif kind == 1:
        damaged[at] ^= 1 << chance.randrange(8)
    elif kind == 2:
        damaged[at : at + 4] = chance.choice(LARGE)
    elif kind == 3:
        damaged[at : at + 16] = chance.randbytes(16)
    else:
        del damaged[at : at + chance.choice([1, 8, 64])]
    return bytes(damaged)


def read_file(path: Path) -> None:
    from nertool.documents.reader import Reader
    from nertool.sources.readers.read_file import Layout, Tally, read

    if path.suffix == ".parquet":
        ignore_errors(lambda: list(Reader("parquet").read(str(path))))
    ignore_errors(lambda: list(read(path, Layout(), Tally())))


def read_dataset(path: Path) -> None:
    from nertool.sources import hub
    from nertool.sources.readers.read_file import Layout, Tally

    def read() -> None:
        rows = hub.load(str(path))["train"]
        list(hub.read(rows, str(path), Layout(), Tally()))

    ignore_errors(read)


def ignore_errors(read: Callable[[], object]) -> None:
    """Read; an error in two lines is what there should be, and any other one ends the process."""
    from nertool.errors import NertoolError

    try:
        read()
    except NertoolError as error:
        assert len(str(error).splitlines()) == 2


def main(form: str, folder: Path) -> None:
    write = {"arrow": write_arrow, "feather": write_feather, "parquet": write_parquet, "dataset": write_dataset}[form]
    whole = []
    for number, table in enumerate(tables()):
        path = folder / f"{number}.{form}"
        write(table, path)
        whole.append(path)
    chance = random.Random(0)
    for number in range(MUTATIONS):
        print(number, flush=True)
        path = folder / f"damaged.{form}"
        source = whole[number % len(whole)]
        if form == "dataset":
            shutil.rmtree(path, ignore_errors=True)
            shutil.copytree(source, path)
            damaged = chance.choice([*path.glob("*.arrow")] * 5 + [*path.glob("*.json")])
            damaged.write_bytes(mutate(damaged.read_bytes(), chance))
            read_dataset(path)
        else:
            path.write_bytes(mutate(source.read_bytes(), chance))
            read_file(path)
    print("done")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
