"""The idle bill: what it reads from the templates, what it adds up, and what it refuses."""

import re
from collections import Counter
from pathlib import Path

import pytest

from bench.cost.__main__ import main
from bench.cost.bill import bill, comparisons, total, worker_usd_per_hour
from bench.cost.environment import (
    FREE_TYPES,
    PRICED_TYPES,
    ROOT,
    Inventory,
    class_names,
    declared_types,
    read_environment,
)
from bench.cost.options import WORDS, option_lines
from bench.cost.prices import InputError, PriceTable
from bench.cost.report import class_table

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


def by_item(lines):
    return {line.item: round(line.usd, 2) for line in lines}


def test_micro_bill_equals_the_bill_computed_by_hand(template, prices):
    lines = bill(read_environment("micro", template), prices, "cloudfront", x86=False)
    assert by_item(lines) == {
        "Fargate api-server: vCPU": 11.82,  # 0.5 vCPU x 730 h x 0.03238
        "Fargate api-server: memory": 5.20,  # 2 GB x 730 h x 0.00356
        "Fargate control-plane: vCPU": 11.82,
        "Fargate control-plane: memory": 5.20,
        "public IPv4 of tasks": 7.30,  # 2 tasks x 730 h x 0.005
        "load balancer": 16.43,  # 730 h x 0.0225; internal, so it has no public address
        "RDS db.t4g.micro Single-AZ": 11.68,  # 730 h x 0.016
        "RDS gp3 storage, Single-AZ": 2.30,  # 20 GB x 0.115
        "Secrets Manager secrets": 0.80,  # 2 x 0.40
        "private DNS zone": 0.50,
        "Cloud Map instances": 0.10,
        "S3 GET requests": 0.35,  # 876,000 x 0.0004 / 1,000
        "S3 PUT and LIST requests": 0.07,  # 14,600 x 0.005 / 1,000
        "Lambda calls": 0.00,
        "Lambda duration": 0.02,  # 3,650 calls x 0.5 GB-s x 0.0000133334
        "SQS polls by Lambda": 0.26,  # 657,000 x 0.4 / 1,000,000
    }
    assert total(lines) == pytest.approx(73.85, abs=0.01)


def test_medium_bill_counts_every_zone_task_and_standby(template, prices):
    lines = by_item(bill(read_environment("medium", template), prices, "load-balancer", x86=True))
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
    lines = bill(read_environment("micro", template), prices, "cloudfront", x86=False)
    assert by_item(lines)["CloudWatch alarms"] == 0.30


def test_price_of_a_worker_includes_its_public_address(template, prices):
    micro = read_environment("micro", template)
    expected = 1 * 0.03238 + 4 * 0.00356 + 0.005
    assert worker_usd_per_hour(micro, prices, x86=False) == pytest.approx(expected)
    medium = read_environment("medium", template)
    expected = 2 * 0.03238 + 8 * 0.00356
    assert worker_usd_per_hour(medium, prices, x86=False) == pytest.approx(expected)


def test_compares_with_the_list_prices_of_mwaa(prices):
    found = {each.name: round(each.usd, 2) for each in comparisons(prices)}
    assert found == {"MWAA mw1.micro": 211.70, "MWAA mw1.small": 357.70}


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
    assert "2 alarms and 0 dashboards; an account has 10 alarms" in out


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
        (["--class", "huge"], "Unknown class 'huge': choose from micro, medium"),
        (["--region", "mars-north-1"], "no prices of 'mars-north-1': choose from eu-central-1"),
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
    micro = read_environment("micro")
    assert total(bill(micro, prices, "cloudfront", x86=False)) <= 80


def test_documentation_shows_the_bill_of_every_class(real_classes, prices):
    rows = []
    for name in real_classes:
        environment = read_environment(name)
        rows.append((environment, bill(environment, prices, "cloudfront", x86=False)))
    page = (ROOT / "docs" / "operating.md").read_text()
    assert class_table(rows) in page, "paste the table of `make cost CLASS=all` into the page"


def test_every_kind_of_resource_is_priced_or_known_to_be_free():
    # A new kind has to be looked up before it can be deployed by everybody.
    assert declared_types() - PRICED_TYPES - FREE_TYPES == set()


def test_every_word_of_options_has_its_price():
    # A backslash continues a string of YAML in the next line.
    template = re.sub(r"\\\n\s*", "", (ROOT / "template.yaml").read_text())
    pattern = next(
        line for line in template.splitlines() if 'AllowedPattern: "^((protected|' in line
    )
    words = pattern.partition("^((")[2].partition(")")[0].split("|")

    assert list(WORDS) == words


def test_customer_key_costs_a_dollar_and_its_requests():
    prices, environment = PriceTable.load("us-east-1"), read_environment("micro")
    key, requests = option_lines(["x86", "customer-key"], environment, prices)

    assert key.usd == 1
    assert 0 < requests.usd < 0.4


def test_unknown_word_of_options_is_refused(capsys):
    assert main(["--options", "customerkey"]) == 2
    assert "Unknown word 'customerkey'" in capsys.readouterr().err


def test_web_acl_costs_itself_and_its_rules():
    prices, environment = PriceTable.load("us-east-1"), read_environment("micro")
    rules = (ROOT / "nested" / "web-acl.yaml").read_text().count("\n        - Name: ")
    acl, priced = option_lines(["waf"], environment, prices)

    assert acl.usd == 5
    assert priced.quantity == rules
