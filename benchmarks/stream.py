"""Peak memory and time of `nertool predict` on a stream that grows, from a process that writes it into a pipe.

    python benchmarks/stream.py --tokens 1000000 10000000 100000000
    python benchmarks/stream.py --tokens 1200000 --new 4 --graph

The model is made on the spot and as small as can be: what is measured is the stream, not the model. Sentences have 2 to
40 words out of 20,000, and one token in a hundred (`--new 100`) is a word that was not there before, as in running
text; what is remembered of words is therefore part of the peak. The line of 0 tokens is what Python, torch and the
model take alone.
Output goes to /dev/null. `--graph` has the model as a graph of ONNX in FP32, which is run without PyTorch.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path

from timing import add_json_option, run_process, write_json

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
SENTENCES = 500
"""Sentences that are made once and written again and again, with new words in them."""


def make_words() -> list[str]:
    """The words that come again and again."""
    chance = random.Random(0)
    return ["".join(chance.choices(LETTERS[:26], k=chance.randint(2, 12))) for _ in range(20_000)]


def make_model(folder: Path, tags: bool) -> None:
    """A random model of one narrow layer that tags, or is still to be trained; its tokenizer knows the words."""
    from transformers import BertConfig, BertForTokenClassification, BertModel, BertTokenizerFast

    folder.mkdir()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = list(dict.fromkeys([*special, *LETTERS, *(f"##{letter}" for letter in LETTERS), *make_words()]))
    (folder / "vocab.txt").write_text("".join(f"{entry}\n" for entry in vocabulary), encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=128).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        max_position_embeddings=128,
        id2label=dict(enumerate(["B-LOC", "I-LOC", "O"])),
    )
    (BertForTokenClassification if tags else BertModel)(config).save_pretrained(folder)


def make_graph(workspace: Path, model: Path) -> None:
    """Bring the model into a workspace as a graph, once it is trained on the embedded data for an epoch."""
    nertool = [sys.executable, "-m", "nertool"]
    run_process(
        [
            *nertool,
            "run",
            "sample",
            "-q",
            "-w",
            str(workspace),
            "-m",
            str(model),
            "--num-epochs",
            "1",
            "--until",
            "train",
        ]
    )
    run_process([*nertool, "quantize", "-q", "-w", str(workspace), "--backend", "onnx", "--approach", "none"])


def write_stream(tokens: int, new: int, form: str) -> None:
    """Write so many tokens to standard output as `form`; one of `new` is a new word."""
    chance = random.Random(1)
    words = make_words()
    block = [chance.choices(words, k=chance.randint(2, 40)) for _ in range(SENTENCES)]
    number = 0
    while tokens > 0:
        for sentence in block:
            sentence = sentence[:tokens]
            for place in range(-number % new, len(sentence), new):
                sentence[place] = f"x{number + place}"
            number += len(sentence)
            tokens -= len(sentence)
            if form == "tokens":
                sys.stdout.write("\n".join(sentence) + "\n\n")
            elif sentence:
                text = " ".join(sentence)
                sys.stdout.write((json.dumps({"text": text}) if form == "jsonl" else text) + "\n")


def measure(arguments: list[str], tokens: int, options: argparse.Namespace) -> tuple[float, float]:
    """Seconds and peak MiB of one run of `predict` with these arguments."""
    form = ["--input", options.input]
    stream = [sys.executable, __file__, "--write", str(tokens), "--new", str(options.new), *form]
    command = [sys.executable, "-m", "nertool", "predict", "-q", *arguments, *form, "--format", options.format]
    with subprocess.Popen(stream, stdout=subprocess.PIPE) as writer:
        seconds, peak = run_process(command, stdin=writer.stdout)
    assert writer.returncode == 0, writer.returncode
    return seconds, peak


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--input", default="tokens", choices=["tokens", "text", "jsonl"])
    parser.add_argument("--format", default="conll", choices=["conll", "jsonl", "inline", "entities", "html"])
    parser.add_argument("--new", type=int, default=100, help="one token of so many is a new word")
    parser.add_argument("--graph", action="store_true", help="as a graph of ONNX")
    parser.add_argument("--write", type=int, help=argparse.SUPPRESS)
    add_json_option(parser)
    options = parser.parse_args()
    if options.write is not None:
        write_stream(options.write, options.new, options.input)
        return
    with tempfile.TemporaryDirectory() as name:
        # In a process of its own: a child's peak is never below what its parent held when it was started.
        maker = get_context("spawn").Process(target=make_model, args=(Path(name) / "model", not options.graph))
        maker.start()
        maker.join()
        assert maker.exitcode == 0, maker.exitcode
        arguments = ["-w", name]
        if options.graph:
            make_graph(Path(name) / "workspace", Path(name) / "model")
            arguments = ["-w", f"{name}/workspace", "--quantized"]
        print(f"{'tokens':>13}{'seconds':>10}{'tokens/s':>11}{'peak, MiB':>11}")
        rows = []
        for tokens in (0, *options.tokens):
            seconds, peak = measure(arguments, tokens, options)
            print(f"{tokens:13,}{seconds:10.1f}{tokens / seconds:11,.0f}{peak:11,.0f}", flush=True)
            rows.append({"tokens": tokens, "seconds": seconds, "peak_mib": peak})
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
