"""CPU and memory of a task or a database, with what it has started."""

from pathlib import Path

import pytest

from embedded_aws.cloudwatch.process_usage import established_connections, of_leaders

TICKS = 100
PAGE = 4096


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedded_aws.cloudwatch.process_usage._TICKS", TICKS)
    monkeypatch.setattr("embedded_aws.cloudwatch.process_usage._PAGE", PAGE)


def add(proc: Path, pid: int, parent: int, session: int, seconds: float, pages: int) -> None:
    folder = proc / str(pid)
    folder.mkdir()
    ticks = int(seconds * TICKS)
    # The name may hold spaces and brackets.
    fields = f"S {parent} {session} {session} 0 -1 0 0 0 0 0 {ticks} 0 0 0"
    (folder / "stat").write_text(f"{pid} (air) flow) {fields}")
    (folder / "statm").write_text(f"1000 {pages + 10} 10 1 0 1 0")


def test_descendants_count_whatever_their_session_and_orphans_by_their_session(
    tmp_path: Path,
) -> None:
    add(tmp_path, 10, parent=1, session=10, seconds=1, pages=100)
    add(tmp_path, 11, parent=10, session=10, seconds=2, pages=100)
    # A backend of PostgreSQL makes a session of its own.
    add(tmp_path, 12, parent=11, session=12, seconds=4, pages=100)
    # Its parent has ended.
    add(tmp_path, 13, parent=1, session=10, seconds=8, pages=100)
    # Of others.
    add(tmp_path, 20, parent=1, session=20, seconds=16, pages=100)
    (tmp_path / "self").mkdir()

    found = of_leaders({10, 99}, tmp_path)

    assert set(found) == {10}
    assert found[10].cpu_seconds == 15
    assert found[10].memory_bytes == 400 * PAGE


def test_connections_that_are_established_to_the_port_are_counted(tmp_path: Path) -> None:
    table = tmp_path / "tcp"
    rows = [
        "sl local_address rem_address st",
        "0: 0100007F:1538 00000000:0000 0A",  # listening on 5432
        "1: 0100007F:1538 0100007F:D431 01",
        "2: 0100007F:1538 0100007F:D432 01",
        "3: 0100007F:1538 0100007F:D433 06",  # closed
        "4: 0100007F:D431 0100007F:1538 01",  # the client's side
    ]
    table.write_text("\n".join(rows))

    assert established_connections(5432, table) == 2
    assert established_connections(5432, tmp_path / "missing") == 0
