"""`nertool predict --engine ray` with one worker and with two, on a folder of Parquet: words per second, and the ratio.

    python benchmarks/cluster.py -w WORKSPACE --split test --copies 4 --files 16

The sentences of a split, several times over, are spread over equal files. A worker has one thread, so that two use two
processors. `whole` is the time of a run on a cluster that is up, which includes starting the workers and loading a
model in each; `tagging` is from the end of as many files as there are workers to the end of the last one. Both are the
best of several rounds, by turns. The tags of all runs must be the same.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # of the workers; before anything is imported that reads it
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_BACKEND_LOG_LEVEL"] = "fatal"
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  (Ray spells it so) as other processes, not below all of them

import pyarrow as pa  # noqa: E402
import ray.data  # noqa: E402
from pyarrow import parquet  # noqa: E402
from timing import add_json_option, seconds_of, write_json  # noqa: E402

from nertool.corpus.column_files import read_sentences  # noqa: E402
from nertool.stages import predict, predict_files  # noqa: E402
from nertool.workspace.workspace import Workspace  # noqa: E402


def write_folder(sentences: list[list[str]], files: int, folder: Path) -> int:
    """Equal files of a column of tokens; gives the words of all."""
    words = 0
    for number in range(files):
        rows = sentences[number::files]
        parquet.write_table(pa.table({"tokens": rows}), folder / f"{number:04}.parquet")
        words += sum(map(len, rows))
    return words


def run(workspace: Workspace, source: Path, target: Path, workers: int, quantized: bool) -> tuple[float, float]:
    """Seconds of a run, and of its tagging as a share of all files."""
    options = predict.Options(
        files=[str(source)], output=str(target), engine="ray", workers=workers, quantized=quantized, allow_stale=True
    )
    whole = seconds_of(lambda: predict_files.tag_folder(workspace, options))
    ends = sorted(path.stat().st_mtime for path in target.glob("*.parquet"))
    return whole, (ends[-1] - ends[workers - 1]) * len(ends) / (len(ends) - workers)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-w", "--workspace", required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--files", type=int, default=16)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quantized", action="store_true")
    add_json_option(parser)
    options = parser.parse_args()
    if options.files <= max(options.workers):
        sys.exit("--files must be more than --workers")
    workspace = Workspace(options.workspace)
    sentences = [sentence.tokens for sentence in read_sentences(workspace / f"{options.split}.txt")] * options.copies
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    ray.init(
        "local",
        num_cpus=max(options.workers),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "in"
        source.mkdir()
        words = write_folder(sentences, options.files, source)
        print(f"{len(sentences):,} sentences, {words:,} words, {options.files} files, {os.cpu_count()} processors")
        seconds: dict[int, list[tuple[float, float]]] = {workers: [] for workers in options.workers}
        tables = []
        for number in range(options.rounds):
            for workers in options.workers:
                target = Path(place) / f"out-{workers}-{number}"
                seconds[workers].append(run(workspace, source, target, workers, options.quantized))
                tables.append(parquet.read_table(target))
        assert all(table.equals(tables[0]) for table in tables), "the runs differ in their tags"
    first: tuple[float, ...] = ()
    figures = []
    for workers, times in seconds.items():
        speeds = tuple(words / min(column) for column in zip(*times, strict=True))
        first = first or speeds
        figures.append({"workers": workers, "whole_words_per_second": speeds[0], "tagging_words_per_second": speeds[1]})
        whole, tagging = (f"{now:9,.0f} words/s ({now / then:.2f})" for now, then in zip(speeds, first, strict=True))
        print(f"{workers} workers: tagging {tagging}, whole {whole}")
    write_json(options.json, figures)
    ray.shutdown()


if __name__ == "__main__":
    main()
