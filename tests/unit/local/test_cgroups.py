"""The control groups of a task, in both versions, in a folder that stands for the kernel's."""

import os
from pathlib import Path

import pytest

from embedded_aws.containers.podman.cgroups import Group

PATH = "/embedded-aws-1/task/main"


@pytest.fixture
def first_version(tmp_path: Path) -> Path:
    for controller in ("cpu", "memory", "pids"):
        (tmp_path / controller).mkdir()
    return tmp_path


@pytest.fixture
def second_version(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.controllers").write_text("cpu memory")
    return tmp_path


def limited(root: Path, *there: str) -> Group:
    """A group with every limit; the files in ``there`` exist already, as in the kernel."""
    group = Group(PATH, root)
    group.create()
    for name in there:
        (root / name).write_text("")
    group.limit_cpu(256)
    group.share_cpu(128)
    group.limit_memory(512)
    group.reserve_memory(256)
    return group


def test_limits_of_version_one(first_version: Path) -> None:
    swap = f"memory{PATH}/memory.memsw.limit_in_bytes"
    limited(first_version, swap)
    cpu, memory = first_version / f"cpu{PATH}", first_version / f"memory{PATH}"
    assert (cpu / "cpu.cfs_quota_us").read_text() == "25000"
    assert (cpu / "cpu.cfs_period_us").read_text() == "100000"
    assert (cpu / "cpu.shares").read_text() == "128"
    assert (memory / "memory.limit_in_bytes").read_text() == str(512 * 2**20)
    assert (first_version / swap).read_text() == str(512 * 2**20)
    assert (memory / "memory.soft_limit_in_bytes").read_text() == str(256 * 2**20)


def test_limits_of_version_two(second_version: Path) -> None:
    swap = f"{PATH}/memory.swap.max".lstrip("/")
    limited(second_version, swap)
    folder = second_version / PATH.lstrip("/")
    assert (folder / "cpu.max").read_text() == "25000 100000"
    assert (folder / "cpu.weight").read_text() == "5"
    assert (folder / "memory.max").read_text() == str(512 * 2**20)
    assert (folder / "memory.swap.max").read_text() == "0"
    assert (folder / "memory.low").read_text() == str(256 * 2**20)
    # Without this, a group below it could have no limits.
    for above in (second_version, folder.parent.parent, folder.parent, folder):
        assert (above / "cgroup.subtree_control").read_text() == "+cpu +memory"


def test_a_kernel_without_swap_accounting_has_no_limit_of_swap(first_version: Path) -> None:
    limited(first_version)
    assert not (first_version / f"memory{PATH}" / "memory.memsw.limit_in_bytes").exists()


def test_an_exceeded_limit_is_seen_in_version_one(first_version: Path) -> None:
    group = limited(first_version, f"memory{PATH}/memory.oom_control")
    assert not group.ran_out_of_memory()
    group.watch_memory()
    assert not group.ran_out_of_memory()
    folder = first_version / f"memory{PATH}"
    signalled, watched = (folder / "cgroup.event_control").read_text().split()
    assert watched.isdigit()
    os.eventfd_write(int(signalled), 1)  # as the kernel does
    assert group.ran_out_of_memory()
    group.forget()


def test_a_killed_process_is_seen_in_version_two(second_version: Path) -> None:
    group = limited(second_version)
    events = second_version / PATH.lstrip("/") / "memory.events"
    assert not group.ran_out_of_memory()
    events.write_text("low 0\nmax 4\noom_kill 0\n")
    assert not group.ran_out_of_memory()
    events.write_text("low 0\nmax 4\noom_kill 1\n")
    assert group.ran_out_of_memory()


def test_removal_takes_inner_groups_along_and_leaves_other_tasks(first_version: Path) -> None:
    for path in ("/embedded-aws-1/one/main/libpod-1", "/embedded-aws-1/two/main"):
        for controller in ("cpu", "memory", "pids"):
            (first_version / f"{controller}{path}").mkdir(parents=True)
    Group("/embedded-aws-1/one", first_version).remove()
    assert [p.name for p in (first_version / "cpu/embedded-aws-1").iterdir()] == ["two"]
    Group("/embedded-aws-1/two", first_version).remove()
    assert not (first_version / "pids/embedded-aws-1").exists()
