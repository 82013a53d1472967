"""Peak memory and time of `nertool train --teacher --unlabelled` on files of unlabelled sentences that grow.

    python benchmarks/unlabelled.py --work WORK --sentences 10000 1000000

Teacher and student are one small random model, trained on the embedded data for an epoch: what is measured is how
sentences and the teacher's probabilities are held, not the model. Files that are mapped count in the resident memory as
long as nothing else needs it; the process's own memory is what is not backed by a file.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

from stream import make_model, make_words
from timing import add_json_option, run_process, write_json

NERTOOL = [sys.executable, "-m", "nertool"]
BETWEEN = 0.1
"""Seconds between two looks at the memory."""


def write_sentences(path: Path, count: int) -> None:
    """Write so many sentences of 5 to 20 words, a line each."""
    chance, words = random.Random(count), make_words()
    with path.open("w", encoding="utf-8") as file:
        for _ in range(count):
            file.write(" ".join(chance.choices(words, k=chance.randint(5, 20))) + "\n")


def peaks(command: list[str]) -> dict[str, float]:
    """Seconds of a process, and the peaks of its resident and its own memory in MiB.

    Raises:
        SystemExit: the process failed.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    resident = own = 0
    while process.poll() is None:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        kibibytes = {
            name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines) if "kB" in value
        }
        resident = max(resident, kibibytes.get("VmHWM", 0))
        own = max(own, kibibytes.get("RssAnon", 0))
        time.sleep(BETWEEN)
    if process.returncode:
        sys.exit(f"failed: {' '.join(command)}")
    return {"seconds": time.perf_counter() - started, "resident_mib": resident / 1024, "own_mib": own / 1024}


def main() -> None:
    """Print a line for each number of sentences."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="an empty folder")
    parser.add_argument("--sentences", type=int, nargs="+", default=[10_000, 1_000_000])
    add_json_option(parser)
    options = parser.parse_args()
    model, workspace = options.work / "start", options.work / "workspace"
    options.work.mkdir(parents=True, exist_ok=True)
    maker = get_context("spawn").Process(target=make_model, args=(model, False))  # its memory is not to be inherited
    maker.start()
    maker.join()
    common = ["-q", "-w", str(workspace), "--model", str(model), "--num-epochs", "1"]
    run_process([*NERTOOL, "run", "sample", *common, "--until", "train", "--output-dir", "teacher"])
    rows = []
    for count in options.sentences:
        file = options.work / f"{count}.txt"
        write_sentences(file, count)
        taught = ["--teacher", str(workspace / "teacher"), "--unlabelled", str(file), "--output-dir", f"taught-{count}"]
        rows.append({"sentences": count, **peaks([*NERTOOL, "train", *common, *taught])})
        figures = rows[-1]
        print(
            f"{count:,} sentences: {figures['seconds']:.0f} s, {figures['resident_mib']:,.0f} MiB resident, "
            f"{figures['own_mib']:,.0f} MiB its own",
            flush=True,
        )
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
