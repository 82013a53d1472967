"""Peak memory of `nertool preprocess` on a corpus that grows by repetition.

python benchmarks/memory.py --source DIR --model DIR --tokens 1000000 10000000 100000000
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from timing import add_json_option, run_process, write_json


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="germeval2014")
    parser.add_argument("--source", required=True, help="folder with the published files")
    parser.add_argument("--model", required=True, help="directory with the tokenizer")
    parser.add_argument("--tokens", type=int, nargs="+", default=[1_000_000, 10_000_000])
    add_json_option(parser)
    options = parser.parse_args()
    rows = []
    nertool = [sys.executable, "-m", "nertool"]
    print(f"{'tokens':>13}{'file, MB':>11}{'seconds':>10}{'peak, MiB':>11}")
    for tokens in options.tokens:
        with tempfile.TemporaryDirectory() as name:
            at = ["-w", name, "--quiet"]
            subprocess.run(
                [*nertool, "download", options.recipe, "--source", options.source, *at],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            path = Path(name) / "train.txt.tmp"
            once = path.read_bytes()
            count = sum(1 for line in once.splitlines() if line.strip())
            with path.open("wb") as file:
                for _ in range(-(-tokens // count)):
                    file.write(once)
            (Path(name) / "workspace.json").unlink()
            size = path.stat().st_size
            seconds, peak = run_process([*nertool, "preprocess", "--model", options.model, *at])
        print(f"{tokens:13,}{size / 1e6:11,.0f}{seconds:10.1f}{peak:11.0f}", flush=True)
        rows.append({"tokens": tokens, "file_mb": size / 1e6, "seconds": seconds, "peak_mib": peak})
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
