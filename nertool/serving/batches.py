"""Batches across requests: those that come within a few milliseconds are tagged by one call."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from nertool.serving.answers import Answer
from nertool.serving.limits import Limits, Refusal
from nertool.serving.metrics import Metrics
from nertool.serving.tag_request import TagRequest

BATCH_LENGTH = 1 << 16
"""Characters with which a batch is full. Chosen, not measured: seconds of work for a base model."""

Work = Callable[[Sequence[TagRequest]], Sequence["Answer | Refusal"]]
"""Requests -> what each is answered."""


@dataclass(frozen=True, eq=False)
class _Job:
    """A request and where its answer goes."""

    request: TagRequest
    answer: asyncio.Future[Answer]


class Batches:
    """Requests that wait for their batch, and one thread that works on a batch at a time.

    All methods are for the thread of the event loop.

    Args:
        work: answers a batch; it is called in the other thread.
    """

    def __init__(self, work: Work, limits: Limits, metrics: Metrics) -> None:
        self._work, self._limits, self._metrics = work, limits, metrics
        self._waiting: deque[_Job] = deque()
        self._comes = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tagger")

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    async def answer(self, request: TagRequest) -> Answer:
        """Wait for the answer to a request, which leaves the queue if this is cancelled or the time is over.

        Raises:
            Refusal: the queue is full, the time is over, or the model cannot do what is asked.
        """
        if len(self._waiting) >= self._limits.waiting:
            hint = "Try again in a second, with fewer requests at once."
            raise Refusal(429, "too many requests are waiting", hint, {"Retry-After": "1"})
        job = _Job(request, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self._comes.set()
        try:
            return await asyncio.wait_for(job.answer, self._limits.seconds)
        except asyncio.TimeoutError as error:  # another class than TimeoutError in Python 3.10
            hint = "Try again later, or send less text at a time."
            what = f"no answer within {self._limits.seconds:g} seconds"
            raise Refusal(503, what, hint, {"Retry-After": "1"}) from error
        finally:
            if job in self._waiting:
                self._waiting.remove(job)

    async def run(self) -> None:
        """Work on one batch after the other, until this is cancelled."""
        while True:
            jobs = [job for job in await self._gather() if not job.answer.done()]  # some may have waited too long
            if jobs:
                await self._work_on(jobs)

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False)

    async def _gather(self) -> list[_Job]:
        """The first request that waits, and those that come until the batch is full or the time is over."""
        while not self._waiting:
            self._comes.clear()
            await self._comes.wait()
        jobs = [self._waiting.popleft()]
        end = time.monotonic() + self._limits.gather
        length = jobs[0].request.length
        while length < BATCH_LENGTH:
            if not self._waiting and not await self._comes_before(end):
                break
            jobs.append(self._waiting.popleft())
            length += jobs[-1].request.length
        return jobs

    async def _comes_before(self, end: float) -> bool:
        """Whether another request comes in time."""
        while not self._waiting and (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, 0.001))
        return bool(self._waiting)

    async def _work_on(self, jobs: Sequence[_Job]) -> None:
        started = time.monotonic()
        requests = [job.request for job in jobs]
        work = asyncio.wrap_future(self._thread.submit(self._work, requests))
        await asyncio.wait([work])
        self._metrics.count_batch(requests, time.monotonic() - started)
        failure = work.exception()
        answers = [failure] * len(jobs) if failure else work.result()
        for job, answer in zip(jobs, answers, strict=True):
            if job.answer.done():
                continue
            if isinstance(answer, BaseException):
                job.answer.set_exception(answer)
            else:
                self._metrics.tokens += answer["tokens"]
                job.answer.set_result(answer)
