"""What several test modules share: made-up data, workspaces filled up to a stage, what a folder holds."""

from __future__ import annotations

import ctypes
import json
import os
import random
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import strategies as st

from nertool.int8 import measure
from nertool.models import cpu
from nertool.report import plots
from nertool.stages import evaluate, labels, preprocess, quantize, train
from nertool.workspace.digests import digest, write_json
from nertool.workspace.workspace import Workspace

needs_inc = pytest.mark.skipif(find_spec("optimum") is None, reason="needs Neural Compressor, which is not installed")
DATA = Path(__file__).parent / "data"
"""Right answers that other programs gave; see its README."""

SHARED = Path(__file__).resolve().parents[2] / "shared"
NAMES = {"PER": ["anna", "bruno", "clara"], "LOC": ["oslo", "vienna", "new lisbon"]}
VERBS = ["visited", "left", "praised", "saw"]


@contextmanager
def measured_here() -> Iterator[None]:
    """`quantize` measures models in this process, as a new one takes seconds to start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "measure", measure.measure_here)
        yield


@contextmanager
def undrawn() -> Iterator[None]:
    """Pages have no plots, which take longer than tagging does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "available", lambda: False)
        yield


def sentence_lines(chance: random.Random) -> list[str]:
    """`Anna visited Oslo .` as `token, space, tag` lines, with a blank line."""
    lines = []
    for label, names in (("PER", NAMES["PER"]), ("", VERBS), ("LOC", NAMES["LOC"]), ("", [".", "!"])):
        for number, token in enumerate(chance.choice(names).split()):
            tag = f"{'I' if number else 'B'}-{label}" if label else "O"
            lines.append(f"{token} {tag}")
    return [*lines, ""]


def write_corpus(folder: Path, suffix: str = ".txt.tmp", sentences: int = 60) -> None:
    """`{train,dev,test}{suffix}` with that many sentences in train and a third in the others."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, split in enumerate(("train", "dev", "test")):
        chance = random.Random(seed)
        lines = [
            line for _ in range(sentences if split == "train" else sentences // 3) for line in sentence_lines(chance)
        ]
        (folder / f"{split}{suffix}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def fill(workspace: Workspace, model: str, until: str) -> Workspace:
    """Run the stages from preprocess on, with settings that train in a second."""
    steps = {
        "preprocess": lambda: preprocess.run(workspace, preprocess.Options(model=model)),
        "labels": lambda: labels.run(workspace, labels.Options()),
        "train": lambda: train.run(
            workspace, train.Options(model=model, num_epochs=8.0, batch_size=4, learning_rate=5e-3, save_steps=1000)
        ),
        "evaluate": lambda: evaluate.run(workspace, evaluate.Options()),
        "quantize": lambda: quantize.run(workspace, quantize.Options(tolerance=0.5)),
    }
    for name, step in steps.items():
        step()
        if name == until:
            break
    return workspace


# -- what a folder holds ---------------------------------------------------------------------------


LOGITS = {"anna": [0.0, 3.0, 0.5], "keller": [1.0, 1.5, 0.0], "bern": [4.0, 0.0, 1.0], "[UNK]": [0.0, 0.0, 2.0]}
"""What the model of `write_graph` gives B-LOC, B-PER and O for a word, or a piece of one."""


def write_graph(
    folder: Path,
    labels: Sequence[str] = ("B-LOC", "B-PER", "O"),
    logits: Mapping[str, Sequence[float]] = LOGITS,
    decoding: str = "viterbi",
    scheme: str = "iob2",
) -> Path:
    """A model as `quantize --backend onnx` publishes it, made without PyTorch: a row of logits for each word.

    A word of ~ alone has no sub-words.
    """
    from onnx import TensorProto, helper
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    folder.mkdir(parents=True)
    vocabulary = ["[PAD]", "[CLS]", "[SEP]", *logits]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(vocabulary)}, "[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace("~", "")])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    tokenizer.add_special_tokens(["[PAD]", "[CLS]", "[SEP]", "[UNK]"])
    tokenizer.save(str(folder / "tokenizer.json"))
    rows = [number for word in vocabulary for number in logits.get(word, [0.0] * len(labels))]
    weight = helper.make_tensor("weight", TensorProto.FLOAT, [len(vocabulary), len(labels)], rows)
    inputs = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "subwords"])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "subwords", len(labels)])]
    node = helper.make_node("Gather", ["weight", "input_ids"], ["logits"])
    graph = helper.make_model(helper.make_graph([node], "tagger", inputs, outputs, [weight]))
    graph.ir_version, graph.opset_import[0].version = 8, 17
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    write_json(folder / "config.json", {"id2label": dict(enumerate(labels))})
    write_json(folder / "tagging.json", {"decoding": decoding, "scheme": scheme})
    write_json(folder / "calibration.json", {"temperature": 1.25, "labels": list(labels)})
    write_json(folder / "quantization.json", {"cpu": cpu.describe()})
    made_from = {name: digest(folder / name) for name in ("config.json", "tokenizer.json")}
    known = {"labels": list(labels), "max_length": 8, "pad_id": 0, "type_ids": False, "made_from": made_from}
    write_json(folder / "encoding.json", known)
    return folder


def snapshot(folder: Path) -> dict[str, bytes]:
    """What other tools and people see: neither hidden files nor the log of runs."""
    names = {path: path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()}
    visible = {path: name for path, name in names.items() if not any(part.startswith(".") for part in name.parts)}
    return {name.as_posix(): path.read_bytes() for path, name in visible.items() if name.name != "runs.jsonl"}


def write_records(workspace: Workspace, **stages: object) -> None:
    """A `workspace.json` with these records."""
    (workspace / "workspace.json").write_text(json.dumps({"format": 2, "stages": stages}))


def stamps(folder: Path) -> dict[Path, tuple[int, int]]:
    """Inode and time of change of every file but the lock's."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


# -- random models ---------------------------------------------------------------------------------

FOUR_LAYERS = {
    **{"vocab_size": 50, "hidden_size": 16, "dim": 16, "emb_dim": 16, "embedding_size": 16, "d_model": 16},
    **{"intermediate_size": 16, "hidden_dim": 16, "max_position_embeddings": 40, "global_attn_every_n_layers": 2},
    **{"num_attention_heads": 2, "n_heads": 2, "num_hidden_layers": 4, "n_layers": 4, "pad_token_id": 0},
    **{"cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2},
}


def random_model(family: str) -> Any:
    """A random model for tags, of four layers."""
    import torch
    from transformers import AutoConfig, AutoModelForTokenClassification

    default = AutoConfig.for_model(family)
    own = {name: value for name, value in FOUR_LAYERS.items() if hasattr(default, name)}
    torch.manual_seed(0)
    return AutoModelForTokenClassification.from_config(AutoConfig.for_model(family, **own)).eval()


# -- permissions -----------------------------------------------------------------------------------


class PermissionsBind:
    """Lets permissions bind root too, in this thread, as long as the block runs.

    Two capabilities let root read and write everything: `CAP_DAC_OVERRIDE` and `CAP_DAC_READ_SEARCH`. access(2) looks
    at those that root could have, unless a bit says that root has no more than it has.

    Source: capabilities(7), capget(2), `access_override_creds` of Linux.
    """

    OVERRIDES = 1 << 1 | 1 << 2
    SET_SECUREBITS, NO_SETUID_FIXUP = 28, 1 << 2

    def __enter__(self) -> None:
        self.header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        self.before = (ctypes.c_uint32 * 6)()
        if ctypes.CDLL(None).capget(self.header, self.before):
            pytest.skip("capabilities cannot be read here")
        without = (ctypes.c_uint32 * 6)(*self.before)
        without[0] &= ~self.OVERRIDES  # the effective ones; the permitted ones stay
        ctypes.CDLL(None).prctl(self.SET_SECUREBITS, self.NO_SETUID_FIXUP)
        self._set(without)

    def __exit__(self, *_: object) -> None:
        self._set(self.before)
        ctypes.CDLL(None).prctl(self.SET_SECUREBITS, 0)

    def _set(self, capabilities: ctypes.Array[ctypes.c_uint32]) -> None:
        assert ctypes.CDLL(None).capset(self.header, capabilities) == 0


# -- the command line -----------------------------------------------------------------------------


@cache
def commands() -> dict[str, Any]:
    """Every command by its name, as Typer builds it."""
    from nertool.cli.main import app

    group: Any = typer.main.get_command(app)
    return {name: group.get_command(None, name) for name in group.list_commands(None)}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Run a command that must end with an error; returns its two lines."""
    from nertool.cli.main import main

    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert (end.value.code, out, len(lines)) == (1, "", 2) and lines[0].startswith("error: "), (out, err)
    return lines


# -- the README's pipelines ------------------------------------------------------------------------

PIPELINES = {
    "germeval2014": r"""grep -v "^#" | cut -f 2,3 | tr '\t' ' '""",
    "wnut17": r"tr '\t' ' '",
    "conll2003": r"sed '/^-DOCSTART-/{$!N;d}' | cut -d ' ' -f 1,4 | tr '\t' ' '",
}
GERMEVAL = "#\thttp://example.org\t[2009-10-17]\t\n1\tAnna\tB-PER\tO\n2\tging\tO\tO\n\n"
CONLL = "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n-DOCSTART- -X- O O\n\nPeter NNP B-NP B-PER\n"
AWKWARD = {
    "five fields": "1\tAnna\tB-PER\tO\t\n2\tx\tO\tO\textra\n",
    "too few fields": "1\tAnna\n1\tAnna\tO\n1\t\n\t\n",
    "no tab": "Anna\nAnna B-PER\n \n\n",
    "lone tabs between sentences": "a\tO\n\t\nb\tO\n\t\t\n",
    "tokens that begin with a hash": "1\t#tag\tO\tO\n#tag\tO\n##\tB-X\n #\tO\n",
    "header that ends in a tab": GERMEVAL + "# \t\n#\n",
    "no last line feed": "1\tAnna\tB-PER\tO",
    "no last line feed in a comment": "1\tAnna\tB-PER\tO\n# end",
    "no last line feed without a tab": "a\tO\nAnna",
    "carriage returns": GERMEVAL.replace("\n", "\r\n") + "a\rb\tc\rd\tO\n\r\n",
    "not UTF-8": b"1\tM\xfcller\tB-PER\tO\nM\xfcller B-PER\n\xff\xfe\tO\n",
    "control characters": "1\t\x96\tO\tO\n2\t\x01\x0b\x0c\x1c\x7f\x85\tO\tO\n\u2028\tO\n\ufeff1\tx\tO\n",
    "empty": "",
    "only line feeds": "\n\n\n",
    "only comments": "# a\n#b\n",
    "documents": CONLL,
    "documents with carriage returns": CONLL.replace("\n", "\r\n"),
}
PIECE = st.sampled_from([b"\t", b"\t\t", b"#", b" ", b"\r", b"\x0b", b"\xc2\x96", b"\xff", b"a", b"B-PER"]) | st.binary(
    min_size=1, max_size=3
)
LINE = st.lists(PIECE, max_size=7).map(lambda pieces: b"".join(pieces).translate(None, b"\n\0"))
PUBLISHED = st.builds(
    lambda lines, end: b"\n".join(lines) + end,
    st.lists(LINE | st.just(b"-DOCSTART- -X- O O\n"), max_size=12),
    st.sampled_from([b"", b"\n", b"\n\n"]),
)


def as_bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def shell(recipe: str, published: bytes) -> bytes:
    command, environment = ["bash", "-c", PIPELINES[recipe]], {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, input=published, env=environment, capture_output=True).stdout
