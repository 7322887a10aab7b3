"""The preflight as a whole: what it refuses, and what it returns."""

from dataclasses import replace

import pytest

from preflight.preflight import ECS_SERVICE, ParametersRefusedError

STORAGE = ("db.t4g.small/50/single-az", "db.t4g.small/20/single-az")


def test_accepted_parameters_create_the_role(preflight, created):
    preflight.run(created())
    assert preflight.roles.services == [ECS_SERVICE]


def test_prefix_list_of_cloudfront_is_found(preflight):
    assert preflight.cloudfront_prefix_list() == {"PrefixListId": "pl-1"}


def test_all_problems_are_reported_at_once_and_nothing_is_created(preflight, created):
    with pytest.raises(ParametersRefusedError) as caught:
        preflight.run(created(Database="small", WorkerMaxCount="0", DagReleases="{"))
    assert len(caught.value.problems) == 3
    assert str(caught.value) == " ".join(caught.value.problems)
    assert preflight.roles.services == []


@pytest.mark.parametrize("mode", ["load-balancer", "internal", "http-without-tls"])
def test_no_prefix_list_is_looked_up_without_cloudfront(preflight, created, mode):
    preflight.prefix_lists.lists.clear()
    preflight.run(created(IngressMode=mode))
    assert preflight.roles.services == [ECS_SERVICE]


def test_cloudfront_is_refused_where_the_region_has_no_prefix_list(preflight, created):
    preflight.prefix_lists.lists.clear()
    expected = "IngressMode is cloudfront, but .* set IngressMode to load-balancer or internal"
    with pytest.raises(ParametersRefusedError, match=expected):
        preflight.run(created())


def test_an_update_is_refused_when_it_would_destroy_something(preflight, updated):
    with pytest.raises(
        ParametersRefusedError, match=r"set Database to db\.t4g\.small/50/single-az"
    ):
        preflight.run(updated({"Database": STORAGE[0]}, {"Database": STORAGE[1]}))


def test_a_rollback_is_never_refused(preflight, updated):
    preflight.stacks.rolling_back = True
    tolerated = []
    request = updated({"Database": STORAGE[0]}, {"Database": STORAGE[1]})
    replace(preflight, tolerated=tolerated.extend).run(request)
    assert preflight.stacks.asked == [request.stack_id]
    assert len(tolerated) == 1


def test_stacks_are_not_asked_about_when_there_is_no_problem(preflight, updated):
    preflight.run(updated({}, {}))
    assert preflight.stacks.asked == []


def test_options_may_contain_protected_only_after_the_first_deployment(preflight, created, updated):
    with pytest.raises(ParametersRefusedError, match="add it with a second deployment"):
        preflight.run(created(Options="x86,protected"))
    preflight.run(created(Options="x86"))
    preflight.run(updated({}, {"Options": "protected"}))


@pytest.mark.parametrize(
    ("former", "now", "broker"),
    [("", "redis", "SQS"), ("exec,redis", "exec", "Valkey")],
)
def test_change_of_the_broker_is_refused_while_workers_run(preflight, updated, former, now, broker):
    preflight.workers.running = 2
    request = updated({"Options": former}, {"Options": now})
    expected = f"2 workers still run, whose tasks would be cut off from {broker}: call "
    with pytest.raises(ParametersRefusedError, match=expected):
        preflight.run(request)
    assert preflight.workers.asked == [request.properties["StackName"]]


def test_broker_changes_when_no_worker_runs(preflight, updated):
    preflight.run(updated({"Options": ""}, {"Options": "redis"}))
    assert len(preflight.workers.asked) == 1


def test_workers_are_not_asked_about_when_the_broker_stays(preflight, updated, created):
    preflight.workers.running = 2
    preflight.run(updated({"Options": "redis"}, {"Options": "redis,exec"}))
    preflight.run(created(Options="redis"))
    assert preflight.workers.asked == []


def test_rollback_of_the_broker_is_not_refused(preflight, updated):
    preflight.stacks.rolling_back = True
    preflight.workers.running = 2
    preflight.run(updated({"Options": "redis"}, {"Options": ""}))
