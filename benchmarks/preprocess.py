"""`nertool preprocess` against a plain loop that tokenizes one token at a time, as whole processes, on three splits.

    python benchmarks/preprocess.py --recipe germeval2014 --source DIR --model DIR

Both use the same tokenizer; both include their start-up. The plain loop runs once a split, as the README calls the
original script; nertool takes the three splits in one process. Equal bytes are checked.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from timing import add_json_option, run_process, spread, write_json

SPLITS = ("train", "dev", "test")


def plain(path: str, model: str, max_length: int) -> None:
    """Print `path` such that no sentence passes `max_length`, asking the tokenizer for every single token."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    budget, used = max_length - tokenizer.num_special_tokens_to_add(), 0
    with open(path, encoding="utf-8") as lines:
        for line in map(str.rstrip, lines):
            length = len(tokenizer.tokenize(line.split()[0])) if line else None
            if length is None:
                used = 0
            elif length == 0:
                continue
            elif used + length > budget:
                print()
                used = length
            else:
                used += length
            print(line)


def seconds(command: list[str], out: Path | None = None) -> float:
    """Wall time of a process that writes to a file, or to nowhere."""
    with open(out or "/dev/null", "wb") as target:
        return run_process(command, stdout=target, stderr=subprocess.DEVNULL)[0]


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="germeval2014")
    parser.add_argument("--source", required=True, help="folder with the published files")
    parser.add_argument("--model", required=True, help="directory with the tokenizer")
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--runs", type=int, default=3)
    add_json_option(parser)
    options = parser.parse_args()
    nertool = [sys.executable, "-m", "nertool"]
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        at = ["-w", folder, "--quiet"]
        subprocess.run(
            [*nertool, "download", options.recipe, "--source", options.source, *at],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        limits = ["--model", options.model, "--max-length", str(options.max_length)]
        theirs: dict[str, list[float]] = {split: [] for split in SPLITS}
        ours: list[float] = []
        for _ in range(options.runs):  # by turns, so that both see the same machine
            for split in SPLITS:
                loop = [sys.executable, __file__, "plain", str(workspace / f"{split}.txt.tmp"), *limits[1::2]]
                theirs[split].append(seconds(loop, workspace / f"{split}.plain"))
            ours.append(seconds([*nertool, "preprocess", "--force", *limits, *at]))
        equal = all(
            (workspace / f"{split}.txt").read_bytes() == (workspace / f"{split}.plain").read_bytes() for split in SPLITS
        )
    medians = {split: spread(times)["median"] for split, times in theirs.items()}
    total, own = sum(medians.values()), spread(ours)["median"]
    print(f"median of {options.runs} runs, seconds of whole processes; equal bytes: {'yes' if equal else 'NO'}")
    print(f"{'':12}" + "".join(f"{split:>10}" for split in (*SPLITS, "total")))
    print(f"{'plain loop':12}" + "".join(f"{medians[split]:10.2f}" for split in SPLITS) + f"{total:10.2f}")
    print(f"{'nertool':12}" + " " * 30 + f"{own:10.2f}")
    print(f"ratio {total / own:.1f}")
    figures = [{"side": "plain loop", **medians, "total": total}, {"side": "nertool", "total": own}]
    write_json(options.json, figures)
    sys.exit(not equal)


if __name__ == "__main__":
    if sys.argv[1:2] == ["plain"]:
        plain(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
