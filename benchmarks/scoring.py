"""`nertool score` against seqeval on the same tags: seconds, and the ratio to seqeval's report.

    python benchmarks/scoring.py --tokens 10000000

A file of random sentences is made, with entities of four types and predictions that err as a middling model does. The
whole process of nertool is timed, which reads the file and gives all counts, strict mode and intervals among them;
seqeval gets lists of tags that are in memory already. Its report is timed on a tenth of the sentences by default and
the time multiplied, as it is linear in them; `--whole` times it on all. Both must give the same counts.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

from timing import add_json_option, run_process, write_json

TYPES = ("PER", "LOC", "ORG", "MISC")


def sentence(random_numbers: random.Random) -> tuple[list[str], list[str]]:
    """Gold and predicted tags of a sentence: an entity in eight words, one of five predicted wrongly."""
    gold: list[str] = []
    predicted: list[str] = []
    for _ in range(random_numbers.randint(1, 8)):
        gold += ["O"] * random_numbers.randint(1, 12)
        predicted += ["O"] * (len(gold) - len(predicted))
        label, length = random_numbers.choice(TYPES), random_numbers.choice((1, 1, 1, 2, 2, 3))
        gold += [f"B-{label}", *[f"I-{label}"] * (length - 1)]
        error = random_numbers.random()
        if error < 0.06:
            predicted += ["O"] * length
        elif error < 0.12:
            other = random_numbers.choice(TYPES)
            predicted += [f"B-{other}", *[f"I-{other}"] * (length - 1)]
        elif error < 0.2:
            predicted += [*["O"] * (length - 1), f"I-{label}"]
        else:
            predicted += gold[-length:]
    return gold, predicted


def make(path: Path, tokens: int) -> tuple[list[list[str]], list[list[str]]]:
    """Write the file; returns the tags of both sides."""
    random_numbers, gold, predicted, written = random.Random(1), [], [], 0
    with path.open("w", encoding="utf-8") as out:
        while written < tokens:
            mine, theirs = sentence(random_numbers)
            gold.append(mine)
            predicted.append(theirs)
            lines = (
                f"w{random_numbers.randint(0, 50_000)} {one} {other}\n" for one, other in zip(mine, theirs, strict=True)
            )
            out.write("".join(lines) + "\n")
            written += len(mine)
    return gold, predicted


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=10_000_000)
    parser.add_argument("--whole", action="store_true", help="seqeval on all sentences, not a tenth")
    add_json_option(parser)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tags.txt"
        gold, predicted = make(path, options.tokens)
        with (Path(folder) / "out.json").open("wb") as out:
            command = [sys.executable, "-m", "nertool", "score", str(path), "--json", "-q"]
            ours, peak = run_process(command, stdout=out)
        found = json.loads((Path(folder) / "out.json").read_text())["facts"]["tags.txt"]
    from seqeval.metrics import classification_report, f1_score

    warnings.simplefilter("ignore")
    share = 1 if options.whole else 10
    some = len(gold) // share
    started = time.perf_counter()
    report = classification_report(gold[:some], predicted[:some], output_dict=True)
    theirs = (time.perf_counter() - started) * share
    started = time.perf_counter()
    f1 = f1_score(gold, predicted)
    f1_alone = time.perf_counter() - started
    print(f"{found['tokens']:,} tokens, {found['sentences']:,} sentences, {found['support']:,} entities")
    print(f"nertool {ours:.1f} s, peak memory {peak:,.0f} MiB: F1 {found['f1']:.6f}")
    print(f"seqeval f1_score {f1_alone:.1f} s: F1 {f1:.6f}")
    print(f"seqeval classification_report {theirs:.1f} s{f' ({share} times that of a tenth)' if share > 1 else ''}")
    print(f"ratio to the report {theirs / ours:.1f}")
    assert abs(f1 - found["f1"]) < 1e-12
    figures = [
        {"work": "nertool, whole process", "tokens": found["tokens"], "seconds": ours, "peak_mib": peak},
        {"work": "seqeval f1_score", "tokens": found["tokens"], "seconds": f1_alone},
        {"work": f"seqeval classification_report, 1/{share} of the sentences x {share}", "seconds": theirs},
    ]
    write_json(options.json, figures)
    if options.whole:
        assert all(report[label]["support"] == row["support"] for label, row in found["types"].items())


if __name__ == "__main__":
    main()
