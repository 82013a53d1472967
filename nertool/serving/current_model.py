"""The model that answers, and a newer one that takes its place between two batches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from nertool.errors import NertoolError
from nertool.progress import logger
from nertool.serving.answers import Answer, ServedModel, answer
from nertool.serving.limits import Refusal
from nertool.serving.metrics import Metrics
from nertool.serving.tag_request import TagRequest

Stamp = frozenset[tuple[str, int, int, int]]
"""Name, inode, size and time of change of the files of a model."""


class CurrentModel:
    """The model that answers.

    Args:
        load: reads the model.
        directory: of its files.
        metrics: count loads.

    Attributes:
        model: what answers now.
        problem: why a newer one is not taken; empty where there is none.

    Raises:
        NertoolError: there is no model to begin with.
    """

    def __init__(self, load: Callable[[], ServedModel], directory: Path, metrics: Metrics) -> None:
        self._load, self._directory, self._metrics = load, directory, metrics
        self._stamp = stamp_of(directory)
        self.model = load()
        self.problem = ""

    def answer(self, requests: Sequence[TagRequest]) -> Sequence[Answer | Refusal]:
        """Answer a batch, the whole of it by one model."""
        return answer(self.model, requests)

    async def watch(self, seconds: float) -> None:
        """Look for newer files again and again, until this is cancelled; the old model answers while one is loaded."""
        while True:
            await asyncio.sleep(seconds)
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Load the model anew where its files have changed; where that fails, the old one stays."""
        stamp = stamp_of(self._directory)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.model = self._load()
        except (NertoolError, OSError) as error:  # files may vanish while they are read
            self.problem = error.message if isinstance(error, NertoolError) else str(error)
            logger.warning("the newer model is not taken, and the old one stays: %s", self.problem)
        else:
            self.problem = ""
            logger.info("a newer model answers from now on: %s", self.model.version)
        self._metrics.loads["failed" if self.problem else "loaded"] += 1


def stamp_of(directory: Path) -> Stamp:
    """What changes when a file of a model does; nothing of a file that vanishes meanwhile, or of no directory."""
    stamps = set()
    with suppress(OSError):
        for path in directory.iterdir():
            with suppress(OSError):
                stat = path.stat()
                stamps.add((path.name, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return frozenset(stamps)
