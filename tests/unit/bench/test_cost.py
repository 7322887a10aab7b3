"""The idle bill: what it reads from the templates, what it adds up, and what it refuses."""

import re
from collections import Counter
from pathlib import Path

import pytest

from bench.cost import page
from bench.cost.__main__ import main
from bench.cost.bill import bill, worker_usd_per_hour
from bench.cost.environment import (
    FREE_TYPES,
    PRICED_TYPES,
    ROOT,
    SERIES_COUNT,
    Inventory,
    class_names,
    declared_types,
    read_environment,
)
from bench.cost.mwaa import comparisons
from bench.cost.options import WORDS, option_lines
from bench.cost.prices import InputError, PriceTable
from bench.cost.profiles import environment_of
from bench.cost.report import class_table
from bench.cost.workloads import NAMES, Work, work, work_of
from contracts.metrics.series import SERIES

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Parameters:
  EnvironmentClass: {Type: String, Default: micro}
Mappings:
  Regions:
    us-east-1: {Zones: 2}
  Classes:
    micro:
      ControlPlane: compact
      ApiServerTasks: 1x512/2048
      SchedulerTasks: 1x512/2048
      DagProcessorTasks: ""
      TriggererTasks: ""
      Database: db.t4g.micro/20/single-az
      BrokerNodes: cache.t4g.micro/1
      NetworkMode: public
      WorkerSize: 1024/4096/8
      WorkerMaxCount: 10
    medium:
      ControlPlane: separate
      ApiServerTasks: 2x1024/3072
      SchedulerTasks: 2x1024/2048
      DagProcessorTasks: 1x512/1024
      TriggererTasks: 2x256/1024
      Database: db.t4g.medium/50/multi-az
      BrokerNodes: cache.t4g.small/2
      NetworkMode: nat-per-zone
      WorkerSize: 2048/8192/16
      WorkerMaxCount: 25
Resources:
  NetworkStack: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: nested/network.yaml}}
"""

NESTED = """\
Conditions:
  CreateKey: !Equals [!Ref FernetKeySecretArn, ""]
Resources:
  FernetKey: {Type: AWS::SecretsManager::Secret, Condition: CreateKey}
  AdminPassword: {Type: AWS::SecretsManager::Secret}
  Namespace: {Type: AWS::ServiceDiscovery::PrivateDnsNamespace}
  Alarm: {Type: AWS::CloudWatch::Alarm, Properties: {AlarmName: !Sub "${RootStackName}-a"}}
  QueueAlarm: {Type: AWS::CloudWatch::Alarm, Condition: HasQueue}
  Publisher:
    Type: AWS::Lambda::Function
    Properties: {Events: {Uploads: {Type: SQS}, Look: {Type: ScheduleV2}}}
  Fn::ForEach::Alarms:
    - Name
    - [A, B]
    - "Alarm${Name}": {Type: AWS::CloudWatch::Alarm}
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    (tmp_path / "nested").mkdir()
    (tmp_path / "nested" / "all.yaml").write_text(NESTED)
    file = tmp_path / "template.yaml"
    file.write_text(TEMPLATE)
    return file


@pytest.fixture
def prices() -> PriceTable:
    return PriceTable.load("us-east-1")


IDLE = Work("idle")


def by_item(found):
    return {line.item: round(line.usd, 2) for line in found.lines}


def idle(prices, name="micro", template=ROOT / "template.yaml", **parameters):
    return bill(read_environment(name, template, parameters), prices, IDLE)


def test_micro_bill_equals_the_bill_computed_by_hand(template, prices):
    found = idle(prices, "micro", template)
    assert by_item(found) == {
        "Fargate api-server: vCPU": 11.82,  # 0.5 vCPU x 730 h x 0.03238
        "Fargate api-server: memory": 5.20,  # 2 GB x 730 h x 0.00356
        "Fargate control-plane: vCPU": 11.82,
        "Fargate control-plane: memory": 5.20,
        "public IPv4 of tasks": 7.30,  # 2 tasks x 730 h x 0.005
        "load balancer": 16.43,  # 730 h x 0.0225; internal, so it has no public address
        "RDS db.t4g.micro Single-AZ": 11.68,  # 730 h x 0.016
        "RDS gp3 storage, Single-AZ": 2.30,  # 20 GB x 0.115
        "Secrets Manager secrets": 0.80,  # 2 x 0.40
        "CloudWatch alarms": 0.00,  # 2 of 10 that are free
        "CloudWatch metrics of Airflow": 0.00,  # off in this class
        "CloudWatch logs": 0.00,  # 0.3 of 5 GB that are free
        "private DNS zone": 0.50,
        "Cloud Map instances": 0.10,
        "S3 GET requests": 0.35,  # 876,000 x 0.0004 / 1,000
        "S3 PUT and LIST requests": 0.07,  # 14,600 x 0.005 / 1,000
        "Lambda calls": 0.00,
        "Lambda duration": 0.02,  # 3,650 calls x 0.5 GB-s x 0.0000133334
        "SQS polls by Lambda": 0.26,  # 657,000 x 0.4 / 1,000,000
    }
    assert found.total == pytest.approx(73.85, abs=0.01)


def test_medium_bill_counts_every_zone_task_and_standby(template, prices):
    lines = by_item(idle(prices, "medium", template, IngressMode="load-balancer", Options="x86"))
    expected = {
        "Fargate api-server: vCPU": 59.10,  # 2 tasks x 1 vCPU x 730 h x 0.04048
        "Fargate api-server: memory": 19.47,  # 2 tasks x 3 GB x 730 h x 0.004445
        "Fargate scheduler: vCPU": 59.10,
        "Fargate scheduler: memory": 12.98,
        "Fargate dag-processor: vCPU": 14.78,
        "Fargate dag-processor: memory": 3.24,
        "Fargate triggerer: vCPU": 14.78,
        "Fargate triggerer: memory": 6.49,
        "NAT gateway": 65.70,  # 2 zones x 730 h x 0.045
        "public IPv4 of NAT gateways": 7.30,
        "load balancer": 16.43,
        "public IPv4 of the load balancer": 7.30,
        "RDS db.t4g.medium Multi-AZ": 94.17,  # 730 h x 0.129
        "RDS gp3 storage, Multi-AZ": 11.50,  # 50 GB x 0.23
        "Cloud Map instances": 0.20,
    }
    assert expected.items() <= lines.items()
    assert "public IPv4 of tasks" not in lines


def test_counts_what_the_templates_declare(template):
    # The loop's alarm counts once, the alarm with a condition not at all.
    assert read_environment("micro", template).inventory == Inventory(
        secrets=2, alarms=2, dashboards=0, private_zones=1, lambda_queues=1
    )


def test_only_alarms_beyond_the_free_ones_are_charged(template, prices):
    alarms = "\n".join(f"  A{n}: {{Type: AWS::CloudWatch::Alarm}}" for n in range(13))
    (template.parent / "nested" / "all.yaml").write_text(f"Resources:\n{alarms}\n")
    assert by_item(idle(prices, "micro", template))["CloudWatch alarms"] == 0.30


def test_price_of_a_worker_includes_its_public_address(template, prices):
    micro = read_environment("micro", template)
    expected = 1 * 0.03238 + 4 * 0.00356 + 0.005
    assert worker_usd_per_hour(micro, prices) == pytest.approx(expected)
    medium = read_environment("medium", template)
    expected = 2 * 0.03238 + 8 * 0.00356
    assert worker_usd_per_hour(medium, prices) == pytest.approx(expected)


def test_compares_with_the_list_prices_of_mwaa(prices):
    found = {each.name: round(each.usd, 2) for each in comparisons(prices, "idle")}
    assert found == {  # environment x 730 h, and 10 GB of database
        "MWAA mw1.micro": 212.70,
        "MWAA mw1.small": 358.70,
        "MWAA mw1.medium": 541.20,
        "MWAA mw1.large": 723.70,
        "MWAA Serverless": 0,
    }


def test_finds_the_class_table_under_another_name(template):
    template.write_text(template.read_text().replace("Classes:", "EnvironmentClasses:"))
    assert class_names(template) == ["micro", "medium"]


def test_prints_description_lines_total_and_comparison(template, capsys):
    assert main(["--template", str(template)]) == 0
    out = capsys.readouterr().out
    assert "1 control-plane task (0.5 vCPU, 2 GiB)" in out
    assert "a db.t4g.micro database of 20 GiB in one zone" in out
    assert "**73.85**" in out
    assert "MWAA mw1.micro" in out
    assert "CloudWatch alarms: 2 in all; the first 10 of an account are free." in out


def test_prints_all_classes_side_by_side(template, capsys):
    assert main(["--template", str(template), "--class", "all"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| micro"))
    # 2 tasks of half a vCPU, and up to 10 workers of one vCPU.
    assert [cell.strip() for cell in row.split("|")[1:-1]] == ["micro", "73.85", "1", "11"]


def test_marks_prices_of_another_region(template, capsys):
    assert main(["--template", str(template), "--region", "eu-central-1"]) == 0
    out = capsys.readouterr().out
    assert "0.03725" in out
    assert "0.0004 *" in out
    assert "no row for eu-central-1: this is the price of us-east-1" in out


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1x512/2048", "512/2048", "ApiServerTasks of class micro is '512/2048': it must look"),
        ("/20/single-az", "/20", "Database of class micro is 'db.t4g.micro/20': it must look"),
        ("NetworkMode: public", "NetworkMode: nat", "NetworkMode of class micro is 'nat'"),
        ("WorkerSize: 1024/4096/8", "Worker: 1", "has no WorkerSize"),
        ("db.t4g.micro", "db.x9.huge", "no price of RDS PostgreSQL, db.x9.huge Single-AZ"),
        ("Mappings", "Rules", "template.yaml has no class table"),
        ("  Classes:", "  Classes: [", "is not valid YAML"),
    ],
)
def test_refuses_a_class_table_it_cannot_read(old, new, message, template, capsys):
    template.write_text(template.read_text().replace(old, new))
    assert main(["--template", str(template)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--class", "huge"],
            "Unknown class or profile 'huge': choose from micro, medium, default",
        ),
        (["--region", "mars-north-1"], "no prices of 'mars-north-1': choose from eu-central-1"),
        (["--workload", "nap"], "Unknown workload 'nap': choose from idle, nightly-2000"),
        (["--set", "NetworkMode"], "'NetworkMode' is no setting: write Parameter=value"),
        (["--set", "NetworkMode=nat"], "NetworkMode of class micro is 'nat': it must be public"),
        (["--set", "IngressMode=open"], "IngressMode is 'open': it must be cloudfront"),
        (["--set", "WorkerFleets={"], "WorkerFleets is not valid JSON"),
    ],
)
def test_refuses_unknown_arguments(arguments, message, template, capsys):
    assert main(["--template", str(template), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_every_price_has_a_date_and_a_source(prices):
    rows = prices._prices.values()
    assert all(price.date and price.source and price.unit for price in rows)
    assert Counter(price.region for price in rows)["us-east-1"] > 20


@pytest.fixture(scope="module")
def real_classes() -> list[str]:
    try:
        return class_names()
    except InputError as error:
        pytest.skip(str(error))


def test_idle_micro_environment_costs_at_most_80_usd_a_month(real_classes, prices):
    assert idle(prices).total <= 80


def test_documentation_shows_the_bill_of_every_class(real_classes, prices):
    operating = (ROOT / "docs" / "operating.md").read_text()
    found = class_table([idle(prices, name) for name in real_classes])
    assert found in operating, "paste the table of `make cost CLASS=all` into the page"


def test_every_kind_of_resource_is_priced_or_known_to_be_free():
    # A new kind has to be looked up before it can be deployed by everybody.
    assert declared_types() - PRICED_TYPES - FREE_TYPES.keys() == set()
    assert not PRICED_TYPES & FREE_TYPES.keys()


def test_every_word_of_options_has_its_price():
    # A backslash continues a string of YAML in the next line.
    template = re.sub(r"\\\n\s*", "", (ROOT / "template.yaml").read_text())
    pattern = next(
        line for line in template.splitlines() if 'AllowedPattern: "^((protected|' in line
    )
    words = pattern.partition("^((")[2].partition(")")[0].split("|")

    assert list(WORDS) == words


def test_customer_key_costs_a_dollar_and_its_requests():
    key, requests = option_lines(["x86", "customer-key"], PriceTable.load("us-east-1"))

    assert key.usd == 1
    assert 0 < requests.usd < 0.4


def test_unknown_word_of_options_is_refused(capsys):
    assert main(["--options", "customerkey"]) == 2
    assert "Unknown word 'customerkey'" in capsys.readouterr().err


def test_web_acl_costs_itself_and_its_rules():
    prices = PriceTable.load("us-east-1")
    rules = (ROOT / "nested" / "web-acl.yaml").read_text().count("\n        - Name: ")
    acl, priced = option_lines(["waf"], prices)

    assert acl.usd == 5
    assert priced.quantity == rules


# ---- Choices, work, and the page ----


def test_parameter_of_the_root_changes_the_bill_as_in_a_deployment(template, prices):
    chosen = idle(
        prices,
        "micro",
        template,
        ApiServerTasks="2x1024/4096",
        Database="db.t4g.small/30/multi-az",
        NetworkMode="single-nat",
    )

    lines = by_item(chosen)
    assert lines["Fargate api-server: vCPU"] == 47.27  # 2 x 1 vCPU x 730 h x 0.03238
    assert lines["RDS db.t4g.small Multi-AZ"] == 47.45  # 730 h x 0.065
    assert lines["RDS gp3 storage, Multi-AZ"] == 6.90  # 30 GB x 0.23
    assert lines["NAT gateway"] == 32.85  # 730 h x 0.045
    assert "public IPv4 of tasks" not in lines


def test_parameter_that_says_class_leaves_the_choice_to_the_class(template, prices):
    assert idle(prices, "micro", template, NetworkMode="class") == idle(prices, "micro", template)


def test_network_of_the_user_is_not_on_the_bill(template, prices):
    lines = by_item(idle(prices, "medium", template, Vpc="vpc-1"))

    assert not [item for item in lines if "NAT" in item or "IPv4" in item]


def test_profile_of_samconfig_has_its_parameters(template, tmp_path):
    config = tmp_path / "samconfig.toml"
    config.write_text(
        "[night.deploy.parameters]\n"
        'parameter_overrides = ["EnvironmentClass=medium", '
        '"WorkerFleets=\'{\\"default\\":{\\"size\\":\\"512/2048/2\\"}}\'"]\n'
    )

    found = environment_of("night", ["WorkerMaxCount=3"], template, config)

    assert (found.name, found.worker.slots, found.worker.max_count) == ("medium", 2, 3)


def test_every_profile_of_samconfig_has_a_bill(real_classes, prices):
    for profile in ("default", "dev", "prod", "local"):
        assert bill(environment_of(profile, ()), prices, IDLE).total > 0


def test_work_is_added_to_the_idle_bill(prices):
    environment = read_environment("micro")
    done = Work("some", tasks=1000, worker_hours=100, scaler_calls=50)
    more = bill(environment, prices, done).total - bill(environment, prices, IDLE).total

    workers = 100 * worker_usd_per_hour(environment, prices)
    # 3,000 requests and 36,000 polls of SQS; 24,150 GET and 1,050 PUT requests of S3.
    requests = 0.039 * 0.4 + 24.15 * 0.0004 + 1.05 * 0.005
    calls = 50 * 0.2e-6 + 50 * 0.5 * 0.0000133334
    assert more == pytest.approx(workers + requests + calls)


def test_nightly_tasks_take_the_workers_that_the_scaler_would_start():
    done = work_of("nightly-2000", read_environment("micro").worker)

    assert done.task_hours == pytest.approx(2000 / 60 * 365 / 12, rel=0.001)
    # 40 slots: at least an eighth of the hours of the tasks, and less than a quarter of them.
    assert done.task_hours / 8 < done.worker_hours < done.task_hours / 4
    # 2,000 minutes of work in 40 slots take 50 minutes.
    assert 45 < done.p95_wait_seconds / 60 < 55


def test_work_that_one_worker_cannot_do_in_a_day_is_said_to_be_too_much():
    assert not work("hourly-fan-out", 3, 1, "mwaa-now", 1).fits_in_a_day
    assert work("nightly-2000", 3, 1, "mwaa-now", 1).fits_in_a_day


def test_first_worker_of_mwaa_is_in_the_price_of_its_environment():
    alone = work("trickle", 5, 10, "mwaa-now", 1)
    burst = work("nightly-2000", 5, 10, "mwaa-now", 1)

    assert alone.additional_worker_hours < 0.05 * alone.task_hours
    # Nine of ten workers.
    assert burst.additional_worker_hours == pytest.approx(0.9 * burst.task_hours / 5, rel=0.1)


def test_serverless_charges_a_minute_of_a_task_at_least(prices):
    serverless = comparisons(prices, "nightly-2000")[-1]

    assert serverless.usd == pytest.approx(2000 / 60 * 365 / 12 * 0.08, rel=0.001)


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
@pytest.mark.parametrize("name", ["micro", "small", "medium", "large"])
@pytest.mark.parametrize("workload", ["idle", "midnight-burst"])
def test_printed_lines_add_up_to_the_printed_total(name, region, workload, capsys):
    assert main(["--profile", name, "--region", region, "--workload", workload]) == 0
    printed = capsys.readouterr().out.splitlines()
    (first,) = (n for n, line in enumerate(printed) if line.startswith("| item"))
    (last,) = (n for n, line in enumerate(printed) if line.startswith("| **total**"))
    usd = [float(line.split("|")[-2].strip(" *")) for line in printed[first + 2 : last + 1]]

    # Each line is rounded to a cent.
    assert sum(usd[:-1]) == pytest.approx(usd[-1], abs=0.005 * len(usd))


def test_page_and_its_drawing_are_current():
    for name, text in page.page().items():
        assert (ROOT / "docs" / name).read_text() == text, "run `make cost-page`"


def test_page_has_every_workload_and_every_word_of_options():
    text = (ROOT / "docs" / page.PAGE).read_text()

    assert not [name for name in NAMES if name not in text]
    assert not [word for word in WORDS if f"`Options={word}`" not in text]


def test_series_of_airflow_are_those_of_the_list_and_two_of_the_fleet():
    assert len(SERIES) + 2 == SERIES_COUNT


def test_metrics_cost_their_series_and_alarms_in_micro_and_nothing_more_where_they_are_on(prices):
    def added(name):
        with_word, without = (
            bill(read_environment(name, parameters=parameters), prices, IDLE)
            for parameters in ({"Options": "metrics"}, {})
        )
        return with_word.total - without.total

    # 32 series and 7 alarms; the account has a free dashboard.
    assert added("micro") == pytest.approx(32 * 0.3 + 7 * 0.1)
    assert added("small") == 0
