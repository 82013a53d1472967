"""A server in a thread, with a model that is no more than a rule."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nertool.corpus.running_text import cut_text
from nertool.models.tagging import Tagging
from nertool.serving.answers import ServedModel
from nertool.serving.app import Service, build_app
from nertool.serving.current_model import CurrentModel
from nertool.serving.limits import Limits
from nertool.serving.metrics import Metrics
from nertool.serving.server import build_server, listen_at
from nertool.spelling import PLAIN, spelling_of_labels

LABELS = ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]
LIMITS = {"body": 1 << 16, "texts": 20, "length": 5000, "waiting": 64, "seconds": 20.0, "gather": 0.002}


@dataclass
class Rule:
    """Tags words with a capital as persons with .9, words in capitals as places with .6.

    Attributes:
        calls: how many sentences each call was about.
        before: is called before each.
    """

    labels: Sequence[str] = tuple(LABELS)
    scheme: str = "iob2"
    calls: list[int] = field(default_factory=list)
    before: Callable[[], Any] = lambda: None
    cut: Any = staticmethod(cut_text)

    @property
    def spelling(self) -> Any:
        return spelling_of_labels(list(self.labels))

    def tag_scored(self, sentences: Any, counts: Any = None) -> Iterator[Tagging]:
        self.before()
        block = list(sentences)
        self.calls.append(len(block))
        for tokens in block:
            tags = ["B-LOC" if word.isupper() else "B-PER" if word.istitle() else "O" for word in tokens]
            scores = {"B-LOC": 0.6, "B-PER": 0.9, "O": 1.0}
            of_tags = [scores[tag] for tag in tags]
            found = [score for tag, score in zip(tags, of_tags, strict=True) if tag != "O"]
            if self.spelling == PLAIN:
                tags, found = ["NOUN" if tag == "B-PER" else "VERB" for tag in tags], []
            yield Tagging(tags, of_tags, self.spelling, found, np.zeros((len(tokens), 5), np.float32))


@dataclass
class Client:
    """Asks a server."""

    port: int
    metrics: Metrics
    current: CurrentModel

    def ask(self, method: str, path: str, body: Any = None, headers: Any = None) -> tuple[int, Any, dict[str, str]]:
        """Status, content (of JSON, or text) and headers of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, data, headers or {})
            response = connection.getresponse()
            content, kind = response.read(), response.getheader("content-type") or ""
            given = json.loads(content) if "json" in kind else content.decode()
            return response.status, given, {name.lower(): value for name, value in response.getheaders()}
        finally:
            connection.close()

    def tag(self, body: Any, headers: Any = None) -> tuple[int, Any]:
        status, content, _ = self.ask("POST", "/tag", body, headers)
        return status, content


def rule_model(rule: Rule | None = None, version: str = "rule-1") -> ServedModel:
    """A model that is a rule."""
    return ServedModel(rule or Rule(), version)  # type: ignore[arg-type]


@contextmanager
def running(
    load: Callable[[], ServedModel] | None = None,
    directory: Path = Path("nowhere"),
    keys: Any = (),
    origins: Any = (),
    label_studio: bool = False,
    **limits: Any,
) -> Iterator[Client]:
    """A server in a thread, on a free port."""
    metrics, started = Metrics(), threading.Event()
    current = CurrentModel(load or rule_model, directory, metrics)
    own = Limits(**{**LIMITS, **limits})
    with listen_at("127.0.0.1", 0) as listener:
        service = Service(current, own, metrics, keys, origins, label_studio)
        server = build_server(build_app(service), own.seconds, started.set)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        client = Client(listener.getsockname()[1], metrics, current)
        thread.start()
        assert started.wait(20)
        yield client
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()
