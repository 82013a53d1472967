"""How many threads there are, where a container has less than the machine."""

import math
import os
from pathlib import Path

import pytest

from nertool.models import cpu


def machine(root: Path, groups: str, **files: str) -> Path:
    """A root with what Linux tells of control groups: `/proc/self/cgroup`, and files below `/sys/fs/cgroup`."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_machine_without_control_groups_has_no_limit(tmp_path: Path) -> None:
    assert cpu.time_limit(tmp_path) == math.inf


@pytest.mark.parametrize(("text", "limit"), [("150000 100000\n", 1.5), ("max 100000\n", math.inf), ("", math.inf)])
def test_version_2_has_quota_and_period_in_a_file(tmp_path: Path, text: str, limit: float) -> None:
    assert cpu.time_limit(machine(tmp_path, "0::/\n", **{"cpu.max": text})) == limit


def test_the_least_limit_of_the_groups_outside_counts(tmp_path: Path) -> None:
    files = {"kube/cpu.max": "200000 100000", "kube/pod/cpu.max": "max 100000", "kube/pod/one/cpu.max": "400000 100000"}
    assert cpu.time_limit(machine(tmp_path, "0::/kube/pod/one\n", **files)) == 2


@pytest.mark.parametrize("group", ["docker/abc/", ""], ids=["as the machine sees it", "as the container sees it"])
def test_version_1_has_quota_and_period_in_two_files(tmp_path: Path, group: str) -> None:
    files = {f"cpu/{group}cpu.cfs_quota_us": "50000\n", f"cpu/{group}cpu.cfs_period_us": "100000\n"}
    root = machine(tmp_path, "12:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n", **files)
    assert cpu.time_limit(root) == 0.5


def test_no_quota_of_version_1_is_none(tmp_path: Path) -> None:
    files = {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}
    assert cpu.time_limit(machine(tmp_path, "1:cpu:/\n", **files)) == math.inf


@pytest.fixture
def no_word_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """OMP_NUM_THREADS is not set, and will be afterwards what it was."""
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    monkeypatch.delenv("OMP_NUM_THREADS")


@pytest.mark.usefixtures("no_word_of_threads")
def test_threads_follow_the_limit_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "time_limit", lambda: 0.3)
    assert cpu.threads() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    cpu.obey_time_limit()
    assert cpu.threads() == 3
    assert os.environ["OMP_NUM_THREADS"] == "3"


@pytest.mark.usefixtures("no_word_of_threads")
def test_pytorch_is_told_of_a_limit_and_of_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "time_limit", lambda: math.inf)
    cpu.obey_time_limit()
    assert "OMP_NUM_THREADS" not in os.environ
    monkeypatch.setattr(cpu, "time_limit", lambda: 0.3)
    cpu.obey_time_limit()
    assert os.environ["OMP_NUM_THREADS"] == "1"
