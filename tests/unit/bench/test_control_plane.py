"""The report of the control plane's bench: each target passes, or says what bounds it."""

from bench.control_plane.records import Record, SchedulerRecord, ServerRecord
from bench.control_plane.report import tables, targets


def record(**changed):
    values = {
        "visible": 1000, "first_visible": 20.0, "all_visible": 500.0, "cpu_per_parse": 0.11,
        "idle_cpu": 0.05, "changes": [4.0, 6.0], "change_after_start": 60.0,
        "cpu_after_start": 12.0,
    }  # fmt: skip
    return Record("releases", 1000, 256, True, **{**values, **changed})


def test_each_target_passes_at_its_value():
    lines = targets([record()])
    assert len(lines) == 5
    assert all(line.startswith("pass  1,000 files: ") for line in lines)


def test_miss_says_what_bounds_it():
    lines = targets([record(cpu_per_parse=0.2, all_visible=800.0, changes=[4.0, None])])
    missed = [line for line in lines if line.startswith("miss")]
    assert missed == [
        "miss  1,000 files: 0.20 CPU-s for each parse (at most 0.12): see "
        "docs/upstream/cost-of-a-parse.md for what they are used for",
        "miss  1,000 files: inf s until one changed file is visible, longest (at most 8): up to "
        "3 s until the release is asked for, 0.8 s for a parse with this CPU, the publisher, and "
        "what else is parsed then",
        "miss  1,000 files: 800.00 s until all are visible (at most 600): 1,000 parses of 0.200 "
        "CPU-s take 800 s with this CPU",
    ]


def test_what_was_not_seen_is_a_miss():
    lines = targets([record(all_visible=None, visible=188, change_after_start=None)])
    assert sum(line.startswith("miss  1,000 files: not seen") for line in lines) == 2


def test_peer_has_no_targets():
    peer = record()
    peer.system = "s3dagbundle"
    assert targets([peer]) == []


def test_each_component_has_a_table_with_a_column_for_each_system():
    scheduler = SchedulerRecord("releases", 100, 512, True, all_succeeded=50.0)
    server = ServerRecord("s3dagbundle", 100, 512, True, page_p95=0.5)
    text = tables([record(), scheduler, server])
    assert [line for line in text.splitlines() if "vCPU" in line] == [
        "dag-processor, 0.25 vCPU", "scheduler, 0.5 vCPU", "api-server, 0.5 vCPU",
    ]  # fmt: skip
    assert "| 100 | runs a second | 2.0 |" in text
    assert "| 100 | tasks a second | 4.0 |" in text
    assert "| 1,000 | all visible after the start, s | 500.0 |" in text
