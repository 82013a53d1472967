"""How many of the damaged gold tags `nertool check --labels` finds.

    nertool run wnut17 --source DIR -w BASE --model minilm --until labels
    python benchmarks/label_errors.py -w BASE --split train --work WORK -- --model minilm --lr 3e-4
    python benchmarks/label_errors.py -w BASE --split dev test --work WORK -- --model MODEL

In the splits, `--share` of the entities are damaged by a seeded generator, the kinds by turns: another type, a border
moved by a word, or no entity at all. Of as many places as there are damages, the first that `check --labels` lists,
the script counts those that cover a damage. The options behind `--` go to `check --labels`: models of folds, or one
model that has not seen the splits. Tags are read as IOB2. `--cleanlab MODEL` counts the words that cleanlab lists first
by the same probabilities of types; cleanlab is to be installed for that.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from timing import add_json_option, write_json

from nertool.corpus.column_files import read_sentences
from nertool.models.load_tagger import load_tagger
from nertool.scoring.label_errors import type_columns, types_of
from nertool.tags import Span, mark, spans

NERTOOL = [sys.executable, "-m", "nertool"]
KINDS = ("type", "border", "omission")


class Damage(NamedTuple):
    """Words of a file whose tags were made wrong.

    Attributes:
        file: its name in the workspace.
        first, last: 1-based lines of the first and last word.
        kind: how.
    """

    file: str
    first: int
    last: int
    kind: str


class Place(NamedTuple):
    """A gold entity.

    Attributes:
        split: its split.
        sentence: 0-based number of its sentence in the split.
        span: the entity.
    """

    split: str
    sentence: int
    span: Span


def main() -> None:
    """Print the share for each seed, and the mean."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-w", "--workspace", type=Path, required=True, help="a workspace with data")
    parser.add_argument("--work", type=Path, required=True, help="where the damaged workspaces are")
    parser.add_argument("--split", nargs="+", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--cleanlab", metavar="MODEL", help="also rank words by cleanlab, with this model")
    parser.add_argument("options", nargs="*", help="of check --labels")
    add_json_option(parser)
    options = parser.parse_args()
    rows = []
    for seed in options.seeds:
        target = options.work / str(seed)
        damages = write_damaged(options.workspace, target, options.split, options.share, random.Random(seed))
        rows.append({"seed": seed, **check(target, options.split, damages, options.options)})
        if options.cleanlab:
            rows[-1]["cleanlab"] = round(by_cleanlab(target, options.split, damages, options.cleanlab), 4)
        print(json.dumps(rows[-1]), flush=True)
    print(f"mean {statistics.mean(row['found'] for row in rows):.3f}, by chance {rows[-1]['by_chance']:.3f}")
    write_json(options.json, rows)


# -- damages ---------------------------------------------------------------------------------------


def write_damaged(base: Path, target: Path, splits: Sequence[str], share: float, chance: random.Random) -> list[Damage]:
    """Write the workspace `target`: the splits with damages. The same damages come with the same seed.

    Returns:
        The damages, in lines of the files of `target`.
    """
    data = {split: list(read_sentences(base / f"{split}.txt")) for split in splits}
    rows = {split: [(list(one.tokens), list(one.tags)) for one in sentences] for split, sentences in data.items()}
    places = [
        Place(split, number, span)
        for split, sentences in rows.items()
        for number, (_, tags) in enumerate(sentences)
        for span in spans(tags)
    ]
    types = sorted({place.span.label for place in places})
    chosen = chance.sample(places, round(share * len(places)))
    damages = []
    for turn, place in enumerate(chosen):
        tags = rows[place.split][place.sentence][1]
        kind = damage(tags, place.span, KINDS[turn % len(KINDS)], types, chance)
        first = first_line(rows[place.split], place.sentence)
        damages.append(Damage(f"{place.split}.txt.tmp", first + place.span.start, first + place.span.end - 1, kind))
    target.mkdir(parents=True, exist_ok=True)
    files = []
    for split, sentences in rows.items():
        path = target / f"{split}.damaged"
        blocks = ["".join(f"{word} {tag}\n" for word, tag in zip(*one, strict=True)) for one in sentences]
        path.write_text("\n".join(blocks), encoding="utf-8")
        files += [f"--{split}-file", str(path)]
    if "train" not in splits:
        files += ["--train-file", str(base / "train.txt")]
    run([*NERTOOL, "download", *files, "-w", str(target / "workspace")])
    return damages


def first_line(sentences: Sequence[tuple[list[str], list[str]]], number: int) -> int:
    """1-based line of a sentence's first word, where a blank line parts sentences."""
    return 1 + sum(len(words) + 1 for words, _ in sentences[:number])


def damage(tags: list[str], span: Span, kind: str, types: Sequence[str], chance: random.Random) -> str:
    """Make an entity wrong, in place; gives the kind, which is a type where no border can be moved."""
    others = [one for one in spans(tags) if one != span]
    moved = [Span(span.label, span.start, span.end + step) for step in (-1, 1)]
    moved = [one for one in moved if one.start < one.end <= len(tags) and free(one, others)]
    if kind == "border" and not moved:
        kind = "type"
    new = {
        "type": [Span(chance.choice([label for label in types if label != span.label]), span.start, span.end)],
        "border": [chance.choice(moved)] if moved else [],
        "omission": [],
    }[kind]
    tags[:] = mark(sorted([*others, *new], key=lambda one: one.start), tags, "iob2")
    return kind


def free(span: Span, others: Sequence[Span]) -> bool:
    """Whether no other entity has one of its words."""
    return all(span.end <= one.start or one.end <= span.start for one in others)


# -- what is found ---------------------------------------------------------------------------------


def check(target: Path, splits: Sequence[str], damages: Sequence[Damage], arguments: Sequence[str]) -> dict[str, Any]:
    """The share of damages among as many places."""
    named = [word for split in splits for word in ("--split", split)]
    command = ["check", "--labels", "--json", "--first", "1000000", *named, "-w", str(target / "workspace"), *arguments]
    places = json.loads(run([*NERTOOL, *command]))["suggestions"]
    hits = [covered(place, damages) for place in places]
    top = hits[: len(damages)]
    return {
        "damages": len(damages),
        "places": len(places),
        "found": round(sum(map(bool, top)) / len(damages), 4),
        "first_quarter": round(sum(map(bool, top[: len(top) // 4])) / (len(top) // 4), 4),
        "by_chance": round(sum(map(bool, hits)) / len(hits), 4),
        **{kind: f"{kinds(top).count(kind)} of {sum(one.kind == kind for one in damages)}" for kind in KINDS},
    }


def by_cleanlab(target: Path, splits: Sequence[str], damages: Sequence[Damage], model: str) -> float:
    """The share of damages among as many words, those that cleanlab finds likeliest wrong first."""
    from cleanlab.token_classification.filter import find_label_issues  # type: ignore[import-not-found]

    tagger = load_tagger(Path(model))
    types, columns = types_of(tagger.labels, tagger.spelling), type_columns(tagger.labels, tagger.spelling)
    places, gold, probabilities = [], [], []
    for split in splits:
        path = target / "workspace" / f"{split}.txt.tmp"
        sentences = list(read_sentences(path))
        for sentence, tagging in zip(sentences, tagger.tag_scored(one.tokens for one in sentences), strict=True):
            exponents = np.exp(tagging.logits - tagging.logits.max(-1, keepdims=True)) @ columns
            places.append((path.name, sentence.line))
            gold.append([types.index(tag.partition("-")[2] or tag) for tag in sentence.tags])
            probabilities.append(np.nan_to_num(exponents / exponents.sum(-1, keepdims=True), nan=1 / len(types)))
    listed = [(*places[number], word) for number, word in find_label_issues(gold, probabilities)]
    spots = [{"file": file, "line": line + word, "start": 0, "end": 1} for file, line, word in listed]
    return sum(bool(covered(spot, damages)) for spot in spots[: len(damages)]) / len(damages)


def kinds(hits: Sequence[list[Damage]]) -> list[str]:
    """The kind of each damage that is covered."""
    return [one.kind for hit in hits for one in hit]


def covered(place: dict[str, Any], damages: Sequence[Damage]) -> list[Damage]:
    """The damages that a listed place has a word of."""
    last = place["line"] + place["end"] - place["start"] - 1
    return [one for one in damages if one.file == place["file"] and place["line"] <= one.last and one.first <= last]


def run(command: Sequence[str]) -> str:
    """Run a command, and give what it prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
