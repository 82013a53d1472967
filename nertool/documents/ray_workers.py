"""Tag files by many processes or machines: Ray Data hands them out to workers, each of which holds a model."""

from __future__ import annotations

import json
import logging
import os
import platform
import socket
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nertool.corpus.running_text import sentence_splitter
from nertool.documents.folders import ATTEMPTS, Job, begin, find_jobs
from nertool.documents.log_counts import log_counts
from nertool.documents.reader import Reader
from nertool.documents.redaction import Redaction
from nertool.documents.tag_documents import tag_documents
from nertool.errors import NertoolError, require
from nertool.models.names import quiet_transformers
from nertool.progress import logger
from nertool.workspace.atomic import move_into_place
from nertool.workspace.digests import digest
from nertool.workspace.reader_lock import reading

if TYPE_CHECKING:
    from nertool.models.load_tagger import TaggingArguments
    from nertool.models.tagger import Tagger

SAME_PATHS = "Every machine must see input, output and workspace under the same paths."
ANSWER_SECONDS = 10


@dataclass(frozen=True)
class Settings:
    """How every file is tagged.

    Attributes:
        model: directory of the model, under a path that every machine sees.
        text_column, tokens_column, on_error: as in `Reader`.
        language: of the rules that cut texts into sentences; empty: each line is one.
        tagging: how the model is loaded and tags.
        redaction: how entities are replaced; None where they are not.
    """

    model: Path
    text_column: str
    tokens_column: str
    on_error: Literal["stop", "skip", "null"]
    language: str
    tagging: TaggingArguments
    redaction: Redaction | None = None


class FileTagger:
    """A worker: tags one file after the other with a model that it loads once.

    Args:
        jobs: all files; each call names some of them by number.
        settings: how every file is tagged.
        digests: SHA-256 of the model's files by name.
    """

    def __init__(self, jobs: Sequence[Job], settings: Settings, digests: Mapping[str, str]) -> None:
        self.jobs, self.settings, self.digests = jobs, settings, digests

    def __call__(self, batch: Mapping[str, Sequence[int]]) -> dict[str, list[str]]:
        """`job`: numbers of files -> `outcome`: for each a JSON object, its counts or the two lines of an error."""
        return {
            "outcome": [
                json.dumps({"job": int(job), **self._tag_or_report(self.jobs[job])}, allow_nan=False)
                for job in batch["job"]
            ]
        }

    @cached_property
    def tagger(self) -> Tagger:
        """The model. It is loaded with the first file, because Ray hides the error of a constructor."""
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # other workers have the other processors
        quiet_transformers()
        from nertool.models.load_tagger import load_tagger

        settings = self.settings
        with reading(settings.model.parent):
            for name, sha256 in self.digests.items():
                if digest(settings.model / name)["sha256"] != sha256:
                    raise NertoolError(f"{settings.model} changed while it was used", "Run it again, with --force.")
            tagger = load_tagger(settings.model, **settings.tagging)
        return settings.redaction.prepare(tagger) if settings.redaction else tagger

    def _tag_or_report(self, job: Job) -> dict[str, Any]:
        try:
            with _captured_log() as notes:
                counts = self._tag(job)
            return {"notes": list(dict.fromkeys(notes)), **counts}  # a file is read twice for its columns
        except NertoolError as error:
            return {"error": (error.message, error.hint)}
        except OSError as error:
            reason = f"{error.filename or job.target}: {error.strerror or error}"
            return {"error": (f"{reason} (on {platform.node()})", SAME_PATHS)}

    def _tag(self, job: Job) -> dict[str, int]:
        part = _claim_part(job)
        try:
            counts = self._write(job, part)
            move_into_place(part, job.target)
        finally:
            part.unlink(missing_ok=True)
        return counts

    def _write(self, job: Job, part: Path) -> dict[str, int]:
        from nertool.documents.parquet import schema_for, write
        from nertool.models.tagging import TagCounts

        if not self.settings.model.is_dir():
            raise NertoolError(f"{self.settings.model}: no such folder (on {platform.node()})", SAME_PATHS)
        split = sentence_splitter(self.settings.language) if self.settings.language else None
        columns, redaction = (self.settings.text_column, self.settings.tokens_column), self.settings.redaction
        whole_lines = redaction is not None
        reader = Reader(
            job.form, (), *columns, split, self.settings.on_error, cut=self.tagger.cut, whole_lines=whole_lines
        )
        tag_counts = TagCounts()
        documents = tag_documents(self.tagger, reader.read(str(job.source)), tag_counts)
        counts = write(part, schema_for(reader, job.source, redaction), documents, redaction)
        return counts | vars(reader.counts) | vars(tag_counts)


@contextmanager
def _captured_log() -> Iterator[list[tuple[int, str]]]:
    """(level, message) of the log lines meanwhile: nobody sees a worker's own standard error."""
    notes: list[tuple[int, str]] = []
    handler = logging.Handler(logging.INFO)
    handler.emit = lambda record: notes.append((record.levelno, record.getMessage()))  # type: ignore[method-assign]
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield notes
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _claim_part(job: Job) -> Path:
    """Create a new file to write to. The file of a worker that died stays, so that its attempt counts."""
    for part in job.parts():
        try:
            part.touch(exist_ok=False)
            return part
        except FileExistsError:
            continue
    raise NertoolError(
        f"{job.source}: {ATTEMPTS} workers died over it",
        "Mostly memory runs out: cut it into smaller files, take fewer --workers, go on with --resume.",
    )


@dataclass(frozen=True)
class FolderRun:
    """What `tag_folder` is asked to do.

    Attributes:
        names: files and folders to tag.
        folder: output; an absolute path that every machine sees.
        settings: how each file is tagged.
        form: of the input, as in `--input`.
        digests: SHA-256 of the model's files by name; `resume` only goes on with the same model.
        on_gpus: give the GPUs of the cluster to the workers.
        workers: how many; None: one for each GPU, or for each processor where there are no GPUs.
        resume: leave the files that are whole as they are, and do the rest.
        force: replace a folder that other settings have made.
    """

    names: Sequence[str]
    folder: Path
    settings: Settings
    form: str
    digests: Mapping[str, str]
    on_gpus: bool
    workers: int | None = None
    resume: bool = False
    force: bool = False

    def made_from(self) -> dict[str, Any]:
        """What the output depends on; a run with `resume` must have the same."""
        settings = asdict(self.settings)
        settings |= {**settings.pop("tagging"), "model": dict(self.digests)}
        files = [str(Path(name).absolute()) for name in self.names]
        return {**settings, "files": files, "input": self.form}


def tag_folder(run: FolderRun) -> None:
    """Tag files and folders into a folder, a Parquet file for each, by the workers of a Ray cluster.

    A file gets its name when it is whole.

    Raises:
        InvalidOption: two files with one output, or a folder that is there already.
        NertoolError: a record that cannot be read (names file and line); Ray is not installed, or no cluster is at its
            address, or a machine of it does not see a path.
    """
    _import_ray()
    if run.settings.language:
        sentence_splitter(run.settings.language)  # complains before anything starts
    jobs = find_jobs(run.names, run.form, run.folder)
    waiting = begin(run.folder, jobs, run.made_from(), run.resume, run.force)
    counts = _tag_all(waiting, run) if waiting else Counter()
    log_counts(counts, run.settings.on_error)
    logger.info("written: %s (%s files, %s of them now)", run.folder, len(jobs), len(waiting))


def _import_ray() -> Any:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if not logger.isEnabledFor(logging.DEBUG):
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    require(["ray", "ray.data"], "ray", "--engine ray")
    import ray
    import ray.data

    return ray


def _tag_all(jobs: Sequence[Job], run: FolderRun) -> Counter[str]:
    """Counts over all files."""
    counts: Counter[str] = Counter()
    ray = _import_ray()
    try:
        with redirect_stdout(sys.stderr), _connected(ray):
            for number, outcome in enumerate(_outcomes(ray, jobs, run), start=1):
                job = jobs[outcome.pop("job")]
                if "error" in outcome:
                    raise NertoolError(*outcome["error"])
                for level, message in outcome.pop("notes"):
                    logger.log(level, "%s", message)
                counts.update(outcome)
                done = f"{job.target}: {outcome['documents']:,} documents, {outcome['tokens']:,} tokens"
                logger.info("%s (%s of %s files)", done, number, len(jobs))
    finally:
        for part in (part for job in jobs for part in job.parts()):
            part.unlink(missing_ok=True)
    return counts


@contextmanager
def _connected(ray: Any) -> Iterator[None]:
    """Connect to the cluster of RAY_ADDRESS or of this machine; without one, start one for this run."""
    if ray.is_initialized():
        yield
        return
    level = logging.INFO if logger.isEnabledFor(logging.DEBUG) else logging.CRITICAL
    logging.getLogger("ray.data").setLevel(level)
    address = os.environ.get("RAY_ADDRESS", "")
    try:
        _check_answers(address)
        with _in_own_folder():
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=level)
    except OSError as error:
        raise NertoolError(
            f"no Ray cluster at {address or 'this machine'}: {error.strerror or error}",
            "Start one (ray start --head), or unset RAY_ADDRESS: then one runs while this command does.",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _in_own_folder() -> Iterator[None]:
    """Let the folder that nertool is imported from be the current directory, whose modules Ray's workers may import.

    The user's may be a stranger's, with a `torch.py` in it.
    """
    before = os.getcwd()
    os.chdir(Path(__file__).parents[2])
    try:
        yield
    finally:
        os.chdir(before)


def _check_answers(address: str) -> None:
    """Connect once, so that an address where nothing answers fails at once; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()


def _outcomes(ray: Any, jobs: Sequence[Job], run: FolderRun) -> Iterator[dict[str, Any]]:
    """The outcome of each file, as each ends."""
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0)) if run.on_gpus else 0
    workers = min(len(jobs), run.workers or gpus or int(resources.get("CPU", 1)))
    rows = ray.data.from_items([{"job": number} for number in range(len(jobs))], override_num_blocks=len(jobs))
    rows.context.enable_progress_bars = False
    outcomes = rows.map_batches(
        FileTagger,
        batch_size=1,
        # give a file to an idle worker only
        compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
        fn_constructor_args=(jobs, run.settings, run.digests),
        num_cpus=1,
        num_gpus=1 / ceil(workers / gpus) if gpus else 0,
    )
    logger.info("%s files for %s workers", len(jobs), workers)
    for batch in outcomes.iter_batches(batch_size=None, prefetch_batches=0):
        yield from map(json.loads, batch["outcome"])
