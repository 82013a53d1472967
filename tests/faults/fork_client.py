"""Hands a call of nertool to the process of `forks.py`, with the streams of this one, and ends as the call does.

Run as `python fork_client.py ADDRESS FAULT ARGUMENT...` it stands for `nertool ARGUMENT...` in shells and launchers.
It imports little, so that it starts at once. Where it is killed, so is the fork.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Any


def call(address: str, arguments: list[str], descriptors: dict[int, int], fault: dict[str, Any]) -> tuple[int, int]:
    """Run nertool in a fork, with the environment and the working directory of this process.

    Args:
        address: of the socket at which the process listens.
        descriptors: number in the fork -> descriptor of this process; all others are closed there.
        fault: see `forks.set_fault`.

    Returns:
        the exit status, negative for a signal, and the number of moments.
    """
    request = {
        "arguments": arguments,
        "numbers": list(descriptors),
        "fault": fault,
        "folder": os.getcwd(),
        "environment": dict(os.environ),
    }
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], list(descriptors.values()))
        code, moments = json.loads(connection.makefile().read())
    return code, moments


def open_descriptors() -> list[int]:
    """Those that the shell gave; the one that lists them is closed again."""
    numbers = []
    for number in map(int, os.listdir("/dev/fd")):
        try:
            os.fstat(number)
        except OSError:
            continue
        numbers.append(number)
    return numbers


if __name__ == "__main__":
    status, _ = call(sys.argv[1], sys.argv[3:], {n: n for n in open_descriptors()}, json.loads(sys.argv[2]))
    if status < 0:
        with suppress(OSError):  # of SIGKILL, which nothing can handle
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)
