"""The simulation: its model, its limits, and how the command line handles invalid input."""

import json

import pytest

from bench.scaling import bounds
from bench.scaling.__main__ import main
from bench.scaling.limits import work_bound_hours, zero_wait_hours
from bench.scaling.parameters import Faults, Parameters
from bench.scaling.records import POLICY_NAMES, percentile, simulate
from bench.scaling.suite import FAULTS, write_records
from bench.scaling.workloads import WORKLOADS, Task, Workload, workload
from bench.scaling.world import World

FIELDS = {
    "policy",
    "seed",
    "p50_wait_s",
    "p95_wait_s",
    "worker_hours",
    "killed",
    "run_twice",
    "stranded",
}


def burst(count, duration=600.0):
    return [Task(float(number % 3), duration) for number in range(count)]


@pytest.mark.parametrize("policy", POLICY_NAMES)
def test_every_policy_runs_every_task_once_or_records_the_second_run(policy):
    run = simulate(workload("seven-silent-minutes", 1), policy, Parameters(), 1)
    assert run.record.keys() >= FIELDS
    assert run.record["unfinished"] == 0
    for world in run.worlds:
        runs = sum(job.runs > 1 for job in world.jobs)
        assert run.record["run_twice"] == runs
        assert all(job.done for job in world.jobs)


def test_the_same_seed_gives_the_same_record():
    records = [simulate(workload("mix", 3), "ours", Parameters(), 3).record for _ in range(2)]
    assert records[0] == records[1]


@pytest.mark.parametrize("name", WORKLOADS)
def test_no_policy_beats_the_bounds(name):
    tasks = workload(name, 2)
    bounds = simulate(tasks, "optimum", Parameters(), 2).record
    assert bounds["work_bound_hours"] < bounds["worker_hours"]
    for policy in ("ours", "keda", "mwaa-now"):
        assert (
            simulate(tasks, policy, Parameters(), 2).record["worker_hours"]
            > (bounds["work_bound_hours"])
        )


def test_limits_equal_the_values_computed_by_hand():
    tasks = [Task(0, 100), Task(0, 100), Task(50, 100), Task(1000, 100)]
    assert work_bound_hours(tasks, 2) == pytest.approx(400 / 2 / 3600)
    # The first worker runs twice, 150 s and 100 s; the second once, 50 s; three launches.
    assert zero_wait_hours(tasks, 2, 60) == pytest.approx((150 + 100 + 50 + 3 * 60) / 3600)
    # A worker stays through a gap of 850 s when a launch takes longer.
    assert zero_wait_hours(tasks, 2, 900) == pytest.approx((150 + 850 + 100 + 50 + 2 * 900) / 3600)


def test_worker_runs_at_most_its_concurrency():
    world = World(burst(40), Parameters(concurrency=4), 1)
    world.launch(3)
    world.run(599.0)
    held = [len(worker.held) for worker in world.workers]
    assert held == [4, 4, 4]
    assert (len(world.visible), world.in_flight) == (28, 12)


def test_plain_stop_kills_tasks_that_outlast_the_grace_period():
    world = World(burst(8, duration=1000), Parameters(concurrency=8), 1)
    world.launch(1)
    world.at(300.0, lambda: world.terminate(world.workers[0], 120.0))
    world.at(800.0, lambda: world.launch(1))
    world.run(10_000.0)
    assert (world.killed, world.run_twice, world.outstanding) == (8, 8, 0)


def test_plain_stop_may_strand_messages_of_an_open_poll():
    stranded = 0
    for seed in range(30):
        world = World([Task(304.0, 10.0)], Parameters(visibility_timeout=1800), seed)
        world.launch(1)
        world.at(300.0, lambda world=world: world.terminate(world.workers[0], 120.0))
        world.at(500.0, lambda world=world: world.launch(1))
        world.run(100_000.0)
        assert world.outstanding == 0
        stranded += world.stranded
    assert 0 < stranded < 30


def test_retiring_worker_resumes_when_the_last_poll_returns_messages():
    reopened = 0
    for seed in range(30):
        world = World([Task(304.0, 10.0)], Parameters(), seed)
        world.launch(1)
        world.at(300.0, lambda world=world: world.retire(world.workers[0]))
        world.at(500.0, lambda world=world: world.launch(1))
        world.run(100_000.0)
        assert (world.stranded, world.outstanding) == (0, 0)
        reopened += world.jobs[0].started == 304.0
    assert 0 < reopened < 30


@pytest.mark.parametrize("policy", ["ours", "ours-foresight"])
@pytest.mark.parametrize("fault", FAULTS)
def test_ours_harms_no_task_under_any_fault(policy, fault):
    parameters = Parameters(faults=FAULTS[fault], spot_share=70)
    record = simulate(workload("seven-silent-minutes", 4), policy, parameters, 4).record
    assert (record["killed"], record["run_twice"], record["stranded"]) == (0, 0, 0)
    assert record["unfinished"] == 0


def test_ours_stays_within_its_limits_when_the_scaler_crashes():
    parameters = Parameters(maximum=7, faults=Faults(scaler_crashes=0.5, throttled_calls=0.3))
    for seed in range(5):
        record = simulate(workload("hourly-fan-out", seed), "ours", parameters, seed).record
        assert record["peak_workers"] <= 7
        assert record["unfinished"] == 0


def test_each_variant_removes_the_effect_that_it_names():
    parameters = Parameters()
    names, seeds = ["seven-silent-minutes", "trickle"], [1]
    means = {
        (name, policy): simulate(workload(name, 1), policy, parameters, 1).record
        for name in names
        for policy in ("ours", "ours-foresight", "mwaa-now", "optimum")
    }
    rows = bounds.rows(means, names, seeds, parameters)
    assert {len(row) for row in rows} == {len(bounds.columns(names))}
    cells = {(row[0], row[1]): row[2:] for row in rows}

    def ratios(policy, what):
        """p95 wait, worker-hours against MWAA, worker-hours against the optimum."""
        return [float(part) for part in cells[policy, what][0].split(", ")]

    plain = ratios("ours", "(unchanged)")
    assert ratios("ours", "without exit time: idle, last poll, stop")[1] < plain[1]
    assert ratios("ours", "without spread of launch times")[0] < plain[0]
    assert ratios("ours", "+20% workers")[1] > plain[1]
    assert ratios("ours", "-10% workers")[1] < plain[1]
    ahead = ratios("ours-foresight", "(unchanged)")
    assert ratios("ours-foresight", "without the forecast's error")[0] < ahead[0]
    assert cells["ours-foresight", "(unchanged)"][1:] == ["", ""]


def test_suite_writes_its_records_to_a_new_folder(tmp_path):
    row = ["ours", "(unchanged)", *["0.5, 0.9, 1.4"] * len(WORKLOADS), "1.40"]
    means = {("mix", "ours"): {"workload": "mix", "policy": "ours"}}
    out = tmp_path / "build" / "bench-scaling.json"
    write_records(out, means, [row], [{"swept": "concurrency"}], [{"fault": "Spot"}])
    records = json.loads(out.read_text())
    assert records["means"] == [{"workload": "mix", "policy": "ours"}]
    assert records["bounds"][0]["policy"] == "ours"
    assert records["bounds"][0]["mix"] == "0.5, 0.9, 1.4"
    assert (records["sweeps"], records["faults"]) == (
        [{"swept": "concurrency"}],
        [{"fault": "Spot"}],
    )


def test_packing_by_known_ends_uses_fewer_workers():
    tasks = [Task(0.0, 1000.0), *(Task(1.0, 10.0) for _ in range(3))]
    held = []
    for packed in (False, True):
        world = World(tasks, Parameters(concurrency=4, clairvoyant_dispatch=packed), 3)
        world.launch(2)
        world.run(500.0)
        held.append(sum(bool(worker.served) for worker in world.workers))
    assert held[1] == 1


def test_each_queue_has_a_separate_fleet():
    tasks = [Task(0.0, 60.0, "a"), Task(0.0, 60.0, "b")]
    run = simulate(Workload("two", tasks), "ours", Parameters(), 1)
    assert len(run.worlds) == 2
    assert run.record["launches"] == 2


def test_percentiles_are_interpolated():
    assert percentile([0.0, 10.0], 50) == 5.0
    assert percentile([7.0], 95) == 7.0
    assert percentile([], 95) == 0.0


def test_json_option_writes_a_record_per_policy_and_seed(tmp_path, capsys):
    out = tmp_path / "records.json"
    arguments = "--workload trickle --policy ours optimum --seed 1 2 --concurrency 4"
    assert main([*arguments.split(), "--launch-median", "60", "--json", str(out)]) == 0
    records = json.loads(out.read_text())
    assert [(each["policy"], each["seed"]) for each in records] == [
        ("ours", 1),
        ("optimum", 1),
        ("ours", 2),
        ("optimum", 2),
    ]
    assert all(each.keys() >= FIELDS for each in records)
    assert "| ours" in capsys.readouterr().out


def test_replays_a_trace(tmp_path, capsys):
    trace = tmp_path / "trace.csv"
    trace.write_text("arrival_s,duration_s,queue\n0,10,default\n5,10,heavy\n")
    assert main(["--trace", str(trace), "--queue", "default", "--queue", "heavy"]) == 0
    assert "| trace" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "contains no tasks"),
        ("arrival_s,duration_s,queue\n", "contains no tasks"),
        ("arrival_s,queue\n1,default\n", "has no column duration_s"),
        ("arrival_s,duration_s,queue\n1,-2,default\n", "line 2: duration_s must be 0 or more"),
        ("arrival_s,duration_s,queue\n-1,2,default\n", "line 2: arrival_s must be 0 or more"),
        ("arrival_s,duration_s,queue\n1,nan,default\n", "must be 0 or more"),
        ("arrival_s,duration_s,queue\n1,x,default\n", "duration_s is not a number: 'x'"),
        ("arrival_s,duration_s,queue\n1\n", "duration_s is not a number"),
        ("arrival_s,duration_s,queue\n1,2,other\n", "unknown queue 'other': known are default"),
    ],
)
def test_refuses_an_invalid_trace(content, message, tmp_path, capsys):
    trace = tmp_path / "trace.csv"
    trace.write_text(content)
    assert main(["--trace", str(trace)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--workload nothing", "Unknown workload 'nothing': choose from midnight-burst"),
        ("--workload mix --policy best", "Unknown policy 'best': choose from ours"),
        ("--workload mix --concurrency 0", "--concurrency must be 1 or more, not 0"),
        ("--workload mix --min 3 --max 2", "--min 3 is more than --max 2"),
        ("--workload mix --min -1", "--min must be 0 or more"),
        ("--workload mix --max 0", "--max must be 1 or more"),
        ("--workload mix --launch-median 0", "--launch-median must be more than 0"),
        ("--workload mix --metric-lag -1", "--metric-lag must be 0 to 900"),
        ("--workload mix --idle-timeout 5", "--idle-timeout must be more than"),
        ("--workload mix --spot-share 101", "--spot-share must be 0 to 100"),
        ("--workload mix --lost-calls 2", "lost_calls must be 0 to 1"),
        ("--trace /no/such/file.csv", "cannot be read"),
    ],
)
def test_refuses_an_invalid_argument_with_the_reason(arguments, message, capsys):
    assert main(arguments.split()) == 2
    assert message in capsys.readouterr().err
