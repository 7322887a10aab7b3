"""CPU time and memory of processes of this machine with all that they have started, in one pass.

Each container and each database has one process that leads a session of its own (see `processes`).
A descendant belongs to it whatever session it has made, and so does a member of its session whose
parent has ended. Only where there is /proc; elsewhere nothing is known, and usage counts as zero.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
# Places in /proc/<pid>/stat behind the name, which may contain spaces.
_PARENT, _SESSION, _USER, _SYSTEM = 1, 3, 11, 12


@dataclass
class Usage:
    cpu_seconds: float = 0.0
    # Without pages that processes share.
    memory_bytes: float = 0.0


@dataclass(frozen=True)
class _Process:
    parent: int
    session: int
    usage: Usage


def of_leaders(leaders: Collection[int], proc: Path = Path("/proc")) -> dict[int, Usage]:
    """What each leader and its descendants use together; those that have ended are left out."""
    processes = dict(_read(proc))
    found: dict[int, Usage] = {}
    for pid, process in processes.items():
        leader = _leader_of(pid, processes, leaders)
        if leader is not None:
            usage = found.setdefault(leader, Usage())
            usage.cpu_seconds += process.usage.cpu_seconds
            usage.memory_bytes += process.usage.memory_bytes
    return found


def _leader_of(pid: int, processes: Mapping[int, _Process], leaders: Collection[int]) -> int | None:
    seen = pid
    while seen in processes:
        if seen in leaders:
            return seen
        seen = processes[seen].parent
    session = processes[pid].session
    return session if session in leaders else None


def _read(proc: Path) -> Iterator[tuple[int, _Process]]:
    for folder in proc.glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            resident, shared = (folder / "statm").read_text().split()[1:3]
        except OSError:
            continue  # it has just ended
        cpu = (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS
        usage = Usage(cpu, (int(resident) - int(shared)) * _PAGE)
        yield int(folder.name), _Process(int(fields[_PARENT]), int(fields[_SESSION]), usage)


def established_connections(port: int, table: Path = Path("/proc/net/tcp")) -> int:
    """How many clients are connected to a port of this machine."""
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return 0
    columns = [line.split() for line in lines]
    established = "01"
    return sum(
        each[3] == established and int(each[1].rpartition(":")[2], 16) == port for each in columns
    )
