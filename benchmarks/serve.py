"""`nertool serve` under load, beside transformers' pipeline in a server of the same shape: requests a second, times.

    python benchmarks/serve.py -w WORKSPACE --split test

Clients on this machine send one sentence a request, each its next one when the last is answered, for some seconds. They
share the processors with the server, which is one process: nertool in INT8 (where the workspace has it), in FP32, and
the pipeline, which one thread of a Starlette application calls once a request. The last lines are about nertool alone:
more clients than its queue holds, and a signal in the middle of the work. `broken` counts answers that ended too soon.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from timing import add_json_option, write_json

from nertool.corpus.column_files import read_sentences
from nertool.workspace.workspace import Workspace


def serve_pipeline(directory: Path) -> None:
    """Serve transformers' pipeline until a signal ends it; prints the address."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route
    from transformers import pipeline

    from nertool.serving.server import address_of, build_server, listen_at

    tagger = pipeline("token-classification", str(directory), aggregation_strategy="first", device="cpu")
    thread = ThreadPoolExecutor(1)

    async def tag(request: Request) -> JSONResponse:
        texts = (await request.json())["texts"]
        found = await asyncio.get_running_loop().run_in_executor(thread, tagger, texts)
        return JSONResponse({"results": [[{**one, "score": float(one["score"])} for one in text] for text in found]})

    app: Any = Starlette(routes=[Route("/tag", tag, methods=["POST"])])
    with listen_at("127.0.0.1", 0) as listener:
        build_server(app, 30, lambda: print(address_of(listener), flush=True)).run([listener])


@contextmanager
def started(command: Sequence[str]) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """The port of a server in a process of its own."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield int(process.stdout.readline().rpartition(":")[2]), process
    finally:
        process.terminate()
        process.wait()


def resident(process: subprocess.Popen[str]) -> float:
    """Resident memory of a process, in MiB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


@dataclass
class Load:
    """What clients saw.

    Attributes:
        seconds: of each request that was answered with status 200.
        statuses: how many answers had each status.
        broken: answers that ended too soon.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0

    def percentile(self, share: float) -> float:
        """Milliseconds that a share of the requests took at most."""
        return 1000 * sorted(self.seconds)[min(len(self.seconds) - 1, int(share * len(self.seconds)))]


async def client(port: int, texts: Iterator[str], end: float, load: Load) -> None:
    """Ask until the time is over, or the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < end:
        body = json.dumps({"texts": [next(texts)]}).encode()
        begun, head = time.perf_counter(), b""
        try:
            writer.write(b"POST /tag HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(re.findall(rb"(?i)content-length: (\d+)", head)[0]))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            load.broken += bool(head or getattr(error, "partial", b""))
            break
        status = int(head.split()[1])
        load.statuses[status] += 1
        if status == 200:
            load.seconds.append(time.perf_counter() - begun)
    writer.close()


async def ask(port: int, texts: Sequence[str], clients: int, seconds: float, signalled: Any = None) -> Load:
    """Let clients ask for some seconds; `signalled` is a process that is asked to stop in the middle."""
    load, end = Load(), time.perf_counter() + seconds
    offsets = [number * len(texts) // clients for number in range(clients)]
    asking = [client(port, islice(cycle(texts), offset, None), end, load) for offset in offsets]
    if signalled:
        asyncio.get_running_loop().call_later(seconds / 2, signalled.send_signal, signal.SIGTERM)
    await asyncio.gather(*asking)
    return load


def measure(name: str, command: Sequence[str], texts: Sequence[str], options: argparse.Namespace) -> list[Any]:
    """Rows of one server, a number of clients each."""
    rows = []
    with started(command) as (port, process):
        asyncio.run(ask(port, texts, 4, 1))
        for clients in options.clients:
            begun = time.perf_counter()
            load = asyncio.run(ask(port, texts, clients, options.seconds))
            speed = len(load.seconds) / (time.perf_counter() - begun)  # the last answers come after the time is over
            row = {"work": name, "clients": clients, "requests_per_second": speed}
            row |= {f"p{share}_ms": load.percentile(share / 100) for share in (50, 95, 99)}
            rows.append(row | {"memory_mib": resident(process)})
            print(", ".join(f"{key} {value:.5g}" if key != "work" else value for key, value in rows[-1].items()))
    return rows


def overload(command: Sequence[str], texts: Sequence[str], seconds: float) -> list[Any]:
    """Rows about more clients than the queue holds, and about a signal in the middle."""
    rows = []
    with started([*command, "--queue", "32"]) as (port, process):
        asyncio.run(ask(port, texts, 16, seconds))
        before = resident(process)
        load = asyncio.run(ask(port, texts, 256, seconds))
        memory = {"memory_before_mib": before, "memory_mib": resident(process)}
        rows.append({"work": "256 clients, a queue of 32", **_counts(load), **memory})
    with started(command) as (port, process):
        load = asyncio.run(ask(port, texts, 64, seconds, process))
        rows.append({"work": "64 clients, SIGTERM", **_counts(load), "exit_status": process.wait()})
    for row in rows:
        print(row)
    return rows


def _counts(load: Load) -> dict[str, int]:
    return {**{f"status_{status}": n for status, n in sorted(load.statuses.items())}, "broken": load.broken}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-w", "--workspace")
    parser.add_argument("--split", default="test")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--pipeline", type=Path, help=argparse.SUPPRESS)
    add_json_option(parser)
    options = parser.parse_args()
    if options.pipeline:
        serve_pipeline(options.pipeline)
        return
    workspace = Workspace(options.workspace)
    texts = [" ".join(sentence.tokens) for sentence in read_sentences(workspace / f"{options.split}.txt")]
    serve = ["-m", "nertool", "serve", "-w", options.workspace, "--port", "0", "--allow-stale", "--quiet"]
    servers = {"nertool, INT8": [*serve, "--quantized"]} if (workspace / "quantized").exists() else {}
    servers["nertool, FP32"] = serve
    servers["pipeline, FP32"] = [__file__, "--pipeline", str(workspace.model(allow_stale=True).path)]
    rows = [row for name, command in servers.items() for row in measure(name, command, texts, options)]
    rows += overload(next(iter(servers.values())), texts, options.seconds)
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
