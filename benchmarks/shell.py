"""The README's shell pipelines against nertool: the filters of `download` and the tags of `labels`.

    python benchmarks/shell.py --source DIR    # the folder with GermEval 2014's published files

Times are those of the work itself, from opened file to written file: the shell starts its programs, nertool has been
started. `labels` is timed as a whole process too. Equal bytes are checked.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from timing import add_json_option, by_turns, spread, write_json

from nertool.sources.recipes import RECIPES
from nertool.stages.labels import distinct_tags

RECIPE = RECIPES["germeval2014"]


def shell(command: str, folder: Path) -> None:
    """Run a pipeline under LC_ALL=C."""
    subprocess.run(["bash", "-c", command], check=True, cwd=folder, env={**os.environ, "LC_ALL": "C"})


def compare(name: str, ours: Callable[[], None], theirs: Callable[[], None], runs: int) -> dict[str, Any]:
    """A row: median seconds of both sides, run by turns."""
    seconds = by_turns({"nertool": ours, "shell": theirs}, runs)
    medians = {side: spread(times)["median"] for side, times in seconds.items()}
    return {"work": name, **medians, "ratio": medians["shell"] / medians["nertool"]}


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", required=True, help="folder with the published files")
    parser.add_argument("--copies", type=int, default=10, help="the train file, that many times over")
    parser.add_argument("--runs", type=int, default=7)
    add_json_option(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        published = (Path(options.source) / RECIPE.files["train"].name).read_bytes()
        (folder / "raw.tsv").write_bytes(published * options.copies)
        filters = RECIPE.filters
        assert filters

        def filter_file() -> None:
            with (folder / "raw.tsv").open("rb") as source, (folder / "train.txt").open("wb") as target:
                filters.apply(source, target)

        pipeline = r"""grep -v "^#" raw.tsv | cut -f 2,3 | tr '\t' ' ' > shell.txt"""
        rows = [compare("filters", filter_file, lambda: shell(pipeline, folder), options.runs)]
        equal = (folder / "train.txt").read_bytes() == (folder / "shell.txt").read_bytes()

        def collect() -> None:
            (folder / "labels.txt").write_text("".join(f"{tag}\n" for tag in distinct_tags([folder / "train.txt"])))

        pipeline = 'cat train.txt | cut -d " " -f 2 | grep -v "^$" | sort | uniq > shell-labels.txt'
        rows.append(compare("labels", collect, lambda: shell(pipeline, folder), options.runs))
        equal &= (folder / "labels.txt").read_bytes() == (folder / "shell-labels.txt").read_bytes()
        command = [sys.executable, "-m", "nertool", "labels", "--force", "--quiet", "--json", "-w", name]

        def process() -> None:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

        rows.append(compare("labels, process", process, lambda: shell(pipeline, folder), options.runs))
    print(f"{options.copies} x train; median of {options.runs} runs, seconds; equal bytes: {'yes' if equal else 'NO'}")
    print(f"{'':18}{'nertool':>10}{'shell':>10}{'ratio':>8}")
    for row in rows:
        print(f"{row['work']:18}{row['nertool']:10.3f}{row['shell']:10.3f}{row['ratio']:8.2f}")
    write_json(options.json, rows)
    sys.exit(not equal)


if __name__ == "__main__":
    main()
