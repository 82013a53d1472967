"""What a server has done, in the text format of Prometheus.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from nertool.serving.tag_request import TagRequest

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histogram of seconds."""


class Metrics:
    """Counters of a server; for the thread of the event loop alone.

    Attributes:
        tokens: that were answered.
        in_flight: requests that have begun and are not answered.
        loads: of models, by how they ended.
    """

    def __init__(self) -> None:
        self.tokens = self.in_flight = 0
        self.loads: Counter[str] = Counter()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._at_most: Counter[float] = Counter()
        self._seconds = self._tagging_seconds = 0.0
        self._texts = self._batches = self._batched = 0

    def count_request(self, path: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests[path, status] += 1
        self._seconds += seconds
        for bound in BOUNDS:
            self._at_most[bound] += seconds <= bound

    def count_batch(self, requests: Sequence[TagRequest], seconds: float) -> None:
        """Count requests that were tagged together."""
        self._batches += 1
        self._batched += len(requests)
        self._texts += sum(len(request.texts) + len(request.tokens) for request in requests)
        self._tagging_seconds += seconds

    def page(self, waiting: int, limit: int) -> str:
        """The page that Prometheus reads.

        Args:
            waiting: requests in the queue.
            limit: of the queue.
        """
        requests = [(f'{{path="{path}",status="{status}"}}', n) for (path, status), n in sorted(self._requests.items())]
        loads = [(f'{{result="{result}"}}', n) for result, n in sorted(self.loads.items())]
        families = [
            _family("requests_total", "counter", "Requests answered.", requests),
            self._histogram(),
            _family("requests_in_flight", "gauge", "Requests that are not answered yet.", [("", self.in_flight)]),
            _family("texts_total", "counter", "Texts and lists of tokens tagged.", [("", self._texts)]),
            _family("tokens_total", "counter", "Tokens tagged.", [("", self.tokens)]),
            _family("batches_total", "counter", "Calls of the tagger.", [("", self._batches)]),
            _family("batched_requests_total", "counter", "Requests in these calls.", [("", self._batched)]),
            _family("tagging_seconds_total", "counter", "Seconds in these calls.", [("", self._tagging_seconds)]),
            _family("queue_requests", "gauge", "Requests that wait.", [("", waiting)]),
            _family("queue_limit", "gauge", "Requests that may wait.", [("", limit)]),
            _family("model_loads_total", "counter", "Models loaded, by result.", loads),
        ]
        return "".join(f"{line}\n" for family in families for line in family)

    def _histogram(self) -> Iterator[str]:
        total = sum(self._requests.values())
        rows: list[tuple[str, float]] = [(f'_bucket{{le="{bound:g}"}}', self._at_most[bound]) for bound in BOUNDS]
        rows += [('_bucket{le="+Inf"}', total), ("_sum", self._seconds), ("_count", total)]
        return _family("request_seconds", "histogram", "Seconds from head to answer.", rows)


def _family(name: str, kind: str, text: str, rows: Iterable[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP nertool_{name} {text}"
    yield f"# TYPE nertool_{name} {kind}"
    for labels, value in rows:
        yield f"nertool_{name}{labels} {value:.15g}"
