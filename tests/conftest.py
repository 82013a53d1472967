"""Fixtures: data that the tests make themselves, a tiny random model, and a workspace filled up to a stage."""

from __future__ import annotations

import gc
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

os.environ["HF_HUB_OFFLINE"] = "1"  # nothing here may depend on a hub
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny models: threads would only wait for each other
for _name in (
    "BERT_MODEL",
    "MAX_LENGTH",
    "OUTPUT_DIR",
    "BATCH_SIZE",
    "NUM_EPOCHS",
    "SAVE_STEPS",
    "SEED",
    "LEARNING_RATE",
):
    os.environ.pop(_name, None)  # the README's variables would reach every command
os.environ.pop("NERTOOL_WORKSPACE", None)
for _name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(_name, None)  # somebody's terminal would change tables and help
os.environ["TERM"] = "xterm-256color"

from faults.forks import QUANTIZING, TRAINING, Forks  # noqa: E402
from helpers import NAMES, SHARED, VERBS, fill, write_corpus  # noqa: E402

from nertool.progress import bars, logger  # noqa: E402
from nertool.workspace.workspace import Workspace  # noqa: E402

settings.register_profile("nertool", deadline=None)  # the tests share the processor
settings.load_profile("nertool")

HEAVY = {"torch", "transformers", "datasets"}
HEAVY_FIXTURES = {"tiny_model", "cache", "hub", "printed"}


def pytest_configure(config: pytest.Config) -> None:
    """Without PyTorch the doctests of the modules that import it are left out."""
    if find_spec("torch") is None:
        config.option.doctest_ignore_import_errors = True


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a model, or Ray, where the test itself shows it; put files with slow tests first."""
    for item in items:
        if isinstance(item, pytest.Function) and needs_model(item):
            item.add_marker("model")
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker("ray")
    slow = Counter(item.path for item in items if {"slow", "ray"} & {mark.name for mark in item.iter_markers()})
    items.sort(key=lambda item: -slow[item.path])  # begun last, such a file would let the other processes wait


def pytest_collection_finish() -> None:
    """What is loaded by now stays: no search for garbage, of which each training makes one, goes through it again."""
    gc.freeze()


def needs_model(test: pytest.Function) -> bool:
    """Whether the test, its module or one of its fixtures imports a heavy package."""
    names = {*test.function.__code__.co_names, *vars(test.module)}
    return bool(HEAVY & names or HEAVY_FIXTURES & set(test.fixturenames))


@pytest.fixture(autouse=True)
def own_settings() -> Iterator[None]:
    """What a command sets for its whole process does not reach the next test."""
    environment, handlers, propagate, level = dict(os.environ), list(logger.handlers), logger.propagate, logger.level
    yield
    os.environ.clear()
    os.environ.update(environment)
    logger.handlers[:], logger.propagate, bars.quiet = handlers, propagate, False
    logger.setLevel(level)


def build_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """Let the first of the parallel test processes build a folder that all of them read; returns the folder."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder = root / name
    with FileLock(f"{folder}.lock"):
        if not folder.with_suffix(".complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            folder.with_suffix(".complete").touch()
    return folder


def build_tiny_model(folder: Path) -> None:
    """Save a random two-layer BERT and a WordPiece tokenizer over letters and a few words."""
    from transformers import BertConfig, BertModel, BertTokenizerFast, set_seed

    words = [word for names in NAMES.values() for name in names for word in name.split()] + VERBS
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,!?#@-'"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = [*special, *letters, *(f"##{letter}" for letter in letters), *words]
    (folder / "vocab.txt").write_text("".join(f"{entry}\n" for entry in vocabulary), encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=128).save_pretrained(folder)
    set_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A directory with a random two-layer BERT and its tokenizer; not to be changed."""
    return str(build_once(tmp_path_factory, "tiny-model", build_tiny_model))


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Runs commands of nertool in forks of a process that has loaded what is heavy, so that each starts at once."""
    with Forks(tmp_path_factory.mktemp("forks"), *TRAINING, *QUANTIZING) as running:
        yield running


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace that holds `{train,dev,test}.txt.tmp` and nothing else."""
    write_corpus(tmp_path / "workspace")
    return Workspace(tmp_path / "workspace")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_model: str) -> Path:
    """A workspace filled up to `train`; to be copied by whoever changes it."""

    def build(folder: Path) -> None:
        write_corpus(folder)
        fill(Workspace(folder), tiny_model, "train")

    return build_once(tmp_path_factory, "trained", build)


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Workspace:
    """A workspace filled up to `train`, to be changed at will."""
    return Workspace(shutil.copytree(trained, tmp_path / "copy"))


@pytest.fixture
def ready(workspace: Workspace, tiny_model: str) -> Workspace:
    """A workspace filled up to `labels`."""
    return fill(workspace, tiny_model, "labels")


@pytest.fixture
def shared() -> Path:
    """The folder of real corpora that may lie beside the project (tests/data/README.md)."""
    if not SHARED.is_dir():
        pytest.skip("needs the corpora in a folder `shared` beside the project (tests/data/README.md)")
    return SHARED
