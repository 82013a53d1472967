"""The processes of a data-parallel training: which one this is, and values that they exchange.

`torchrun` and `accelerate launch` start them with RANK and WORLD_SIZE in the environment. The first one, of rank 0,
holds the workspace, prints and publishes; the others only compute.
"""

from __future__ import annotations

import atexit
import os
import sys
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from accelerate import PartialState

Value = TypeVar("Value")
LONGEST_WAIT = timedelta(days=7)
"""For the first process, which tokenizes, and lets teachers label, before all train."""


def rank() -> int:
    """0-based number of this process."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """How many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def from_first(value: Value) -> Value:
    """Give all processes the value of the first one, for which the others wait; it may not wait for all of them."""
    if world() == 1:
        return value
    import torch.distributed

    _join()
    box = [value]
    torch.distributed.broadcast_object_list(box, src=0)
    return box[0]


def from_all(value: Value) -> list[Value]:
    """The values of all processes, in the order of their ranks; waits until all have called this."""
    if world() == 1:
        return [value]
    import torch.distributed

    _join()
    values: list[Value] = [value] * world()
    torch.distributed.all_gather_object(values, value)
    return values


def wait_for_first() -> None:
    """Wait until the first process has called this."""
    from_first(None)


def wait_for_all() -> None:
    """Wait until all processes have called this."""
    from_all(None)


def leave(status: object) -> None:
    """End one of several processes at once; do nothing if there is only one.

    The interpreter is not torn down: a thread of the process group that needs it meanwhile would abort the process,
    and the launcher would then end all others.

    Args:
        status: what `SystemExit` holds.
    """
    if not _join.cache_info().currsize:
        return
    _join().destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


@cache
def _join() -> PartialState:
    import torch
    from accelerate import PartialState

    on_cpu = not torch.cuda.is_available()
    if on_cpu:
        os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"  # with a number, PyTorch loads nothing of a checkpoint to it
    state = PartialState(cpu=on_cpu, timeout=LONGEST_WAIT)
    atexit.register(state.destroy_process_group)  # for scripts that train without the command, which ends by `leave`
    return state
