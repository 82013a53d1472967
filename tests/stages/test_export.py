"""`nertool export`: a directory that tags as `predict --quantized` does, without nertool; what is refused, and how."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from helpers import measured_here, write_graph

from nertool.cli.main import main
from nertool.errors import InvalidOption, Locked, NertoolError, StaleInput, Unwritable
from nertool.exporting import settings
from nertool.exporting.directory import publishing, write_sums
from nertool.exporting.readme import LEAST
from nertool.models.canary import make_canary
from nertool.models.load_tagger import load_tagger
from nertool.stages import export
from nertool.workspace.digests import read_json, write_json
from nertool.workspace.workspace import Workspace

for _package in ("onnx", "onnxruntime", "tokenizers"):
    pytest.importorskip(_package)

BARE = """
import runpy, sys

blocked = ("nertool", "torch", "transformers", "datasets", "regex")[: int(sys.argv[1])]

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
sys.argv = sys.argv[2:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    assert not {"nertool", "torch", "transformers", "datasets"} & {name.partition(".")[0] for name in sys.modules}
"""
"""Runs a script where so many packages cannot be imported."""
WORDS = [
    "anna",
    "Keller",
    "bern",
    "~",
    "nobody",
    "Ünïted",
    "中文",
    "👩‍🚀",
    "a" * 300,
    "don't",
    "U.S.",
    "\u200b",
    "[SEP]",
    "\u00ad",
]
GAPS = [" ", " ", "  ", "\t", " \x0b", "\u3000"]
FIGURES = {"f1": 0.5, "interval": [0.4, 0.6], "lost": 0.0, "lost_interval": [0.0, 0.0], "p": 1.0, "equal": 1.0}
LOST = {"f1": 0.4875, "interval": [0.4, 0.6], "lost": 0.0125, "lost_interval": [0.001, 0.03], "p": 0.02, "equal": 0.99}
TYPED = ["PER", "LOC"]
SCHEMES = {
    "iob2": (["B-PER", "I-PER", "B-LOC", "I-LOC", "O"], "viterbi", "iob2"),
    "argmax": (["B-PER", "I-PER", "B-LOC", "I-LOC", "O"], "argmax", "iob2"),
    "iob1": (["B-PER", "I-PER", "B-LOC", "I-LOC", "O"], "viterbi", "iob1"),
    "ioe1": (["E-PER", "I-PER", "E-LOC", "I-LOC", "O"], "viterbi", "ioe1"),
    "iobes": ([*(f"{prefix}-{kind}" for kind in TYPED for prefix in "BIES"), "O"], "viterbi", "iobes"),
    "certain": ([*(f"{prefix}-{kind}" for kind in TYPED for prefix in "BIES"), "O"], "viterbi", "iobes"),
    "no O": (["B-PER", "I-PER", "B-LOC", "I-LOC"], "viterbi", "iob2"),
    "strays": (["X", "B-PER", "I-PER", "E-PER", "O"], "argmax", ""),
    "other letters": (["per_b", "per_i", "loc_b", "loc_i", "o"], "viterbi", "iob2"),
    "plain": (["NOUN", "VERB", "ADP"], "argmax", ""),
}
"""Labels, decoding and scheme of models."""


def write_model(folder: Path, kind: str = "iob2") -> Workspace:
    """A workspace that holds a graph with random logits, its table, scales and thresholds."""
    labels, decoding, scheme = SCHEMES[kind]
    chance = random.Random(kind)
    pieces = ["anna", "keller", "bern", "nobody", "ünïted", "中文", "don", "[UNK]"]
    spread = 2000 if kind == "certain" else 1.5
    logits = {piece: [chance.gauss(0, spread) for _ in labels] for piece in pieces}
    quantized = write_graph(folder / "quantized", labels, logits, decoding, scheme)
    scale = {"slope": 0.8, "offset": 0.1, "length": 0.3}
    write_json(quantized / "calibration.json", {"temperature": 1.3, "entities": scale, "labels": labels})
    points = [{"type": "", "threshold": 0.4}, {"type": "PER", "threshold": 0.55}]
    if kind in ("iob2", "argmax", "iob1", "ioe1", "iobes", "strays"):
        write_json(quantized / "thresholds.json", {"points": points, "labels": labels, "decoding": decoding})
    table = {
        "metric": "f1",
        "tolerance": 0.01,
        "criterion": "relative",
        "met": True,
        **read_json(quantized / "quantization.json"),
    }
    kept = {"approach": "none", "splits": {"dev": LOST}, "alone_as_together": True}
    tagger = load_tagger(quantized)
    table |= {"fp32": {"splits": {"dev": FIGURES}}, "int8": kept, "canary": make_canary(tagger, tagger)}
    write_json(quantized / "quantization.json", table)
    return Workspace(folder)


def write_export(workspace: Workspace, folder: Path, **options: Any) -> Path:
    export.run(workspace, export.Options(str(folder), **options))
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace, and an export of it beside; not to be changed."""
    folder = tmp_path_factory.mktemp("written")
    write_export(write_model(folder / "workspace"), folder / "export")
    return folder


@pytest.fixture
def copy(written: Path, tmp_path: Path) -> Path:
    """An export, to be changed at will."""
    return shutil.copytree(written / "export", tmp_path / "export")


def run_script(folder: Path, text: bytes, *arguments: str, blocked: int = 5) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-I", "-c", BARE, str(blocked), str(folder / "tag.py"), *arguments]
    return subprocess.run(command, input=text, capture_output=True)


def tagged_by_script(folder: Path, text: bytes, *arguments: str, blocked: int = 5) -> bytes:
    done = run_script(folder, text, *arguments, blocked=blocked)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    return done.stdout


@pytest.fixture
def predicted(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., bytes]:
    """Gives what `predict --quantized` writes for a text."""

    def run(workspace: Workspace, text: bytes, *arguments: str) -> bytes:
        (tmp_path / "in.txt").write_bytes(text)
        command = ["predict", "--quantized", "--input", "text", str(tmp_path / "in.txt"), "-w", str(workspace.path)]
        out = tmp_path / "out"
        with pytest.raises(SystemExit) as end:
            main([*command, "-o", str(out), "--force", *arguments])
        assert end.value.code == 0
        return out.read_bytes()

    return run


def random_text(lines: int = 120) -> bytes:
    """Sentences of odd characters, many longer than a window of eight sub-words, and lines of nothing."""
    chance = random.Random(7)
    found = ["\ufeffanna"]
    for _ in range(lines):
        words = [chance.choice(WORDS) for _ in range(chance.choice([1, 2, 3, 5, 8, 40]))]
        found.append("".join(word + chance.choice(GAPS) for word in words))
        found.append(chance.choice(["", " \t", "bern\r", "~"]))
    return "\n".join(found).encode()


@pytest.mark.parametrize("kind", SCHEMES)
def test_tags_scores_and_places_are_those_of_predict(
    kind: str, tmp_path: Path, predicted: Callable[..., bytes]
) -> None:
    workspace, text = write_model(tmp_path / "workspace", kind), random_text()
    folder = write_export(workspace, tmp_path / "export")
    rows = tagged_by_script(folder, text, "--json")
    assert rows == predicted(workspace, text, "--tokenizer", "white", "--format", "jsonl")
    assert kind == "plain" or rows.count(b'"score"') > 50
    if not read_json(folder / "settings.json")["thresholds"]:
        assert_refused(run_script(folder, text, "--json", "--thresholds"), "no thresholds were exported")
    else:
        expected = predicted(workspace, text, "--tokenizer", "white", "--format", "jsonl", "--thresholds", "own")
        assert tagged_by_script(folder, text, "--json", "--thresholds") == expected != rows


def test_columns_and_running_text_are_those_of_predict(written: Path, predicted: Callable[..., bytes]) -> None:
    workspace, text = Workspace(written / "workspace"), random_text() + "\nAnna's 3.5 km, 한국 中文 (U.S.)".encode()
    assert tagged_by_script(written / "export", text) == predicted(workspace, text, "--tokenizer", "white")
    for form in ([], ["--json"]):
        found = tagged_by_script(written / "export", text, "--text", *form, blocked=4)
        assert found == predicted(workspace, text, *(["--format", "jsonl"] if form else []))
    done = run_script(written / "export", text, "--text")
    assert (done.returncode, done.stderr) == (1, b"error: regex is blocked; README.md says what to install\n")


def test_running_text_is_cut_as_the_data_of_the_model_were(tmp_path: Path, predicted: Callable[..., bytes]) -> None:
    workspace, text = write_model(tmp_path / "workspace"), "Anna's L'ONU 中文 l’Anna".encode()
    settings = read_json(workspace / "quantized/tagging.json")
    write_json(workspace / "quantized/tagging.json", {**settings, "tokenizer": "words:'s,l'"})
    found = tagged_by_script(write_export(workspace, tmp_path / "export"), text, "--text", blocked=4)
    assert found == predicted(workspace, text)
    tokens = [line.split()[0] for line in found.decode().splitlines() if line]
    assert tokens == ["Anna", "'s", "L'", "ONU", "中文", "l’", "Anna"]


def test_words_without_subwords_have_the_spelling_of_o(tmp_path: Path, predicted: Callable[..., bytes]) -> None:
    workspace, text = write_model(tmp_path / "workspace", "other letters"), b"~\n"
    folder = write_export(workspace, tmp_path / "export")
    tags = predicted(workspace, text, "--tokenizer", "white")
    assert tagged_by_script(folder, text) == tags == b"~ o\n\n"


@pytest.mark.model
@pytest.mark.slow
def test_batches_are_those_of_predict(trained: Path, tmp_path: Path, predicted: Callable[..., bytes]) -> None:
    """With a range of INT8 for each batch, a sentence has other scores in another batch."""
    from nertool.stages import quantize

    workspace = Workspace(shutil.copytree(trained, tmp_path / "workspace"))
    with measured_here():
        quantize.run(workspace, quantize.Options(backend="onnx", ranges="tensor", tolerance=0.9))
    path = workspace / "quantized/calibration.json"
    write_json(path, {**read_json(path), "temperature": 3.0})
    chance = random.Random(0)
    words = ["anna", "oslo", "new", "lisbon", "saw", "Ünïted", "x" * 200, "."]
    lines = [" ".join(chance.choices(words, k=chance.choice([1, 4, 9, 150]))) for _ in range(150)]
    text = "\n".join(lines).encode()
    folder = write_export(workspace, tmp_path / "export", allow_stale=True)
    expected = predicted(workspace, text, "--tokenizer", "white", "--format", "jsonl", "--allow-stale")
    assert tagged_by_script(folder, text, "--json") == expected
    assert "may depend on the sentences beside it" in (folder / "README.md").read_text()
    assert "site-packages" not in (folder / "model.onnx").read_bytes().decode("latin-1")


# -- what is written -------------------------------------------------------------------------------


def test_the_readme_says_what_was_lost_and_what_is_needed(written: Path) -> None:
    text = (written / "export/README.md").read_text()
    assert (
        "| dev | 0.5000 (0.4000 to 0.6000) | 0.4875 (0.4000 to 0.6000) | +0.0125 (0.0010 to 0.0300), p = 0.020 |"
        in text
    )
    assert "A loss of 1.0% of F1 on dev was allowed" in text and "`B-LOC`" in text and "onnxruntime==" in text
    assert "The loss on dev is more than chance explains." in text
    assert "other types 0.4000, `PER` 0.5500" in text


def test_versions_are_pinned_for_the_python_that_has_them_alone(written: Path) -> None:
    text = (written / "export/README.md").read_text()
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    pins = dict(re.findall(r"(\w+)==([\w.]+)", text))
    assert pins == {name: version(name) for name in LEAST}
    first, others = re.findall(r"```sh\n(pip install .*?)```", text, re.DOTALL)
    assert "==" in first and {*re.findall(r"Python 3\.\d+", first)} == {python}
    assert "==" not in others and f"exported with, on {python}." in text
    assert re.findall(r"Running it needs (Python [\d.]+) or newer", text) == ["Python 3.10"]


def test_versions_for_any_python_are_those_of_nertool() -> None:
    requirements = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    for name, bounds in LEAST.items():
        least, _, most = bounds.partition(",")
        found = re.findall(rf'"{name}(>=[^",;]+)(?:,([^";]+))?', requirements)
        assert least == found[0][0] and most == found[-1][1], name


def test_the_digests_are_those_of_all_files_and_no_place_is_told(written: Path) -> None:
    folder = written / "export"
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    names = [line.split("  ")[1] for line in lines]
    assert {*names, "SHA256SUMS"} == {path.name for path in folder.iterdir()} - {"__pycache__"}
    for line in lines:
        digest, name = line.split("  ")
        content = (folder / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
        assert str(written).encode() not in content and str(Path.home()).encode() not in content


def test_python_is_served_too(written: Path) -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); from tagger import Tagger; print(*Tagger().tag([['~'], []]))"
    done = subprocess.run([sys.executable, "-I", "-c", code, str(written / "export")], capture_output=True, text=True)
    assert done.stdout == "(['O'], []) ([], [])\n", done.stderr


def test_a_text_is_no_sentence_of_words(written: Path) -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); from tagger import Tagger; list(Tagger().tag(['anna left']))"
    done = subprocess.run([sys.executable, "-I", "-c", code, str(written / "export")], capture_output=True, text=True)
    assert "ValueError: a sentence is a list of words" in done.stderr


def test_the_runtime_keeps_nothing_of_its_own(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Releases that report to their maker write a device id and what they are to send into the home directory."""
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    assert run_script(written / "export", b"anna").returncode == 0
    assert list(tmp_path.rglob("*")) == []


def test_the_same_again_is_written_anew(written: Path, tmp_path: Path) -> None:
    folder = write_export(Workspace(written / "workspace"), tmp_path / "export")
    (folder / "__pycache__").mkdir()
    before = (folder / "model.onnx").stat().st_ino
    write_export(Workspace(written / "workspace"), folder)
    assert (folder / "model.onnx").stat().st_ino != before
    assert [path.name for path in tmp_path.iterdir()] == ["export"]
    assert (folder / "model.onnx").stat().st_nlink == 1, "editing an export does not change the workspace"


# -- what is damaged -------------------------------------------------------------------------------


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def with_other_labels(path: Path) -> None:
    settings = read_json(path)
    write_json(path, {**settings, "labels": [*settings["labels"][1:], settings["labels"][0]]})


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("model.onnx", cut_short, "model.onnx is damaged"),
        ("tokenizer.json", cut_short, "tokenizer.json is damaged"),
        ("settings.json", with_other_labels, "settings.json is damaged"),
        ("SHA256SUMS", cut_short, "is damaged"),
        ("SHA256SUMS", Path.unlink, "SHA256SUMS"),
        ("model.onnx", Path.unlink, "model.onnx"),
    ],
)
def test_damage_is_a_line(name: str, damage: Callable[[Path], None], message: str, copy: Path) -> None:
    damage(copy / name)
    assert_refused(run_script(copy, b"anna\n"), message)


def assert_refused(done: subprocess.CompletedProcess[bytes], message: str) -> None:
    error = done.stderr.decode()
    assert (done.returncode, done.stdout, error.count("\n")) == (1, b"", 1), error
    assert error.startswith("error: ") and message in error


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.onnx", b"no graph", "the model cannot be loaded"),
        ("tokenizer.json", b"{}", "the model cannot be loaded"),
        ("settings.json", None, "answers otherwise on this processor, by 0."),
    ],
)
def test_files_that_do_not_fit_are_a_line(name: str, content: bytes | None, message: str, copy: Path) -> None:
    """Their digests are right, as after an edit by somebody who knows of them."""
    if content is None:
        settings = read_json(copy / name)
        settings["canary"]["log_probabilities"][0][0] = [0.0, -50.0, -50.0, -50.0, -50.0]
        content = json.dumps(settings).encode()
    (copy / name).write_bytes(content)
    sums = (copy / "SHA256SUMS").read_text().splitlines()
    lines = [line for line in sums if not line.endswith(f"  {name}")] + [
        f"{hashlib.sha256(content).hexdigest()}  {name}"
    ]
    (copy / "SHA256SUMS").write_text("\n".join(lines) + "\n")
    assert_refused(run_script(copy, b"anna\n"), message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"anna\nM\xfcller\n", "line 2 is not UTF-8"),
        (b"a\0b\n", "line 1 holds a NUL or a carriage return inside"),
        (b"anna\rbern\n", "line 1 holds a NUL or a carriage return inside"),
    ],
)
def test_text_that_cannot_be_read_is_a_line(text: bytes, message: str, written: Path) -> None:
    assert_refused(run_script(written / "export", text), message)


def test_closed_input_is_a_line(written: Path) -> None:
    command = f"'{sys.executable}' -B '{written / 'export' / 'tag.py'}' <&-"
    assert_refused(subprocess.run(["sh", "-c", command], capture_output=True), "standard input is closed")


# -- what is refused -------------------------------------------------------------------------------


def refused(
    workspace: Workspace, folder: Path, kind: type[NertoolError] = NertoolError, **options: Any
) -> NertoolError:
    with pytest.raises(kind) as error:
        write_export(workspace, folder, **options)
    assert list(folder.parent.glob(".*.partial")) == [], "nothing half-written stays"
    return error.value


def test_other_models_are_refused_with_the_command_that_makes_a_graph(tmp_path: Path) -> None:
    workspace, out = Workspace(tmp_path / "ws"), tmp_path / "out"
    assert "nertool train" in refused(workspace, out).hint
    (tmp_path / "ws/model").mkdir(parents=True)
    write_json(tmp_path / "ws/model/config.json", {})
    error = refused(workspace, out)
    assert "is a model of PyTorch" in error.message and "nertool quantize --backend onnx" in error.hint
    (tmp_path / "ws/quantized").mkdir()
    write_json(tmp_path / "ws/quantized/config.json", {})
    write_json(tmp_path / "ws/quantized/quantization.json", {"backend": "inc"})
    error = refused(workspace, out)
    assert "was made by inc" in error.message and "nertool quantize --backend onnx" in error.hint


def test_a_model_without_a_canary_is_refused(tmp_path: Path) -> None:
    write_graph(tmp_path / "ws/quantized")
    assert "holds no canary" in refused(Workspace(tmp_path / "ws"), tmp_path / "out").message


def test_a_stale_model_is_refused_unless_one_insists(tmp_path: Path) -> None:
    workspace = write_model(tmp_path / "ws")
    (workspace / "dev.txt").write_text("anna B-PER\n")
    stale = {"sha256": "0" * 64, "size": 1}
    record = {"options": {}, "versions": {}, "reads": {"dev.txt": stale}, "writes": {}, "sources": None, "facts": {}}
    write_json(workspace / "workspace.json", {"format": 2, "stages": {"quantize": record}})
    assert "is stale: dev.txt changed" in refused(workspace, tmp_path / "out", StaleInput).message
    assert (write_export(workspace, tmp_path / "out", allow_stale=True) / "tag.py").exists()


def test_what_is_no_export_is_replaced_by_force_alone(written: Path, tmp_path: Path) -> None:
    workspace, out = Workspace(written / "workspace"), tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    error = refused(workspace, out, InvalidOption)
    assert "holds notes.txt, which is no part of an export" in error.message and "--force" in error.hint
    assert (out / "notes.txt").read_text() == "mine"
    write_export(workspace, out, force=True)
    assert not (out / "notes.txt").exists()
    (out / "tag.py").write_text("# better\n")
    assert "in which tag.py changed" in refused(workspace, out, InvalidOption).message
    assert (out / "tag.py").read_text() == "# better\n"


@pytest.mark.parametrize("place", ["file", "workspace/out", "workspace", ".", "repository", "none/out"])
def test_some_places_are_refused_even_by_force(
    place: str, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "repository/.git").mkdir(parents=True)
    shutil.copytree(written / "workspace", tmp_path / "workspace")
    refused(Workspace(tmp_path / "workspace"), tmp_path / place, InvalidOption, force=True)


def test_a_kill_between_two_renames_is_mended(tmp_path: Path) -> None:
    (tmp_path / ".out.replaced").mkdir()
    (tmp_path / ".out.replaced/notes.txt").write_text("mine")
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial/model.onnx").touch()
    with pytest.raises(InvalidOption, match=r"notes\.txt"), publishing(tmp_path / "out", False, tmp_path / "ws"):
        pass
    assert (tmp_path / "out/notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with publishing(tmp_path / "out", False, tmp_path / "ws") as directory:
        (directory / "a").touch()
        write_sums(directory)
        with pytest.raises(Locked), publishing(tmp_path / "out", False, tmp_path / "ws"):
            pass
    assert sorted(os.listdir(tmp_path / "out")) == ["SHA256SUMS", "a"]


def test_an_export_that_tags_otherwise_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = write_model(tmp_path / "ws")
    (workspace / "dev.txt").write_text("anna B-PER\nbern O\n\n" * 300)
    assert write_export(workspace, tmp_path / "out").exists()
    real = settings.settings_of
    monkeypatch.setattr(settings, "settings_of", lambda *given: {**real(*given), "temperature": 2.0})
    assert "'anna bern' gets other tags or scores" in refused(workspace, tmp_path / "out").message
    monkeypatch.setattr(settings, "settings_of", lambda *given: {**real(*given), "max_length": "eight"})
    assert "the export does not tag as the model does: TypeError" in refused(workspace, tmp_path / "out").message


def test_an_error_on_the_way_leaves_the_old_export(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_export(Workspace(written / "workspace"), tmp_path / "out")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail(*_: object) -> Iterator[None]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", fail)
    with pytest.raises(Unwritable, match="cannot be written: No space left on device; nothing was changed"):
        write_export(Workspace(written / "workspace"), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert os.listdir(tmp_path) == ["out"]


def test_the_command_prints_what_it_wrote(written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["-w", str(written / "workspace"), "--quantized", "-o", str(tmp_path / "out"), "--json"]
    with pytest.raises(SystemExit) as end:
        main(["export", *arguments])
    facts = json.loads(capsys.readouterr().out)["facts"]
    assert end.value.code == 0 and facts["labels"] == 5 and facts["approach"] == "none" and facts["bytes"] > 10_000
