"""A Ctrl-C is noticed at any moment."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

WAITS = """
import _thread, readline, signal, threading
from nertool.cli.interrupts import noticed_while_waiting

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background has not
threading.Timer(0.3, _thread.interrupt_main).start()  # as a signal that comes just before the wait
try:
    with noticed_while_waiting():
        input("> ")
except KeyboardInterrupt:
    print("noticed")
"""
FREES = """
import signal, time
from nertool.cli.interrupts import raise_dropped_ones_again

class Freed:
    def __del__(self):
        raise KeyboardInterrupt

signal.signal(signal.SIGINT, signal.default_int_handler)
raise_dropped_ones_again()
try:
    Freed()
    time.sleep(20)
except KeyboardInterrupt:
    print("noticed")
"""


def test_one_that_comes_before_the_wait_for_a_key_is_noticed() -> None:
    screen, keyboard = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", WAITS], stdin=keyboard, stdout=keyboard, stderr=keyboard) as process:
        os.close(keyboard)
        try:
            assert process.wait(20) == 0
        finally:
            process.kill()
        assert os.read(screen, 1 << 16).endswith(b"noticed\r\n")
    os.close(screen)


def test_one_that_comes_while_an_object_is_freed_comes_once_more() -> None:
    done = subprocess.run([sys.executable, "-c", FREES], capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("noticed\n", "")
