"""Which parameters are refused, and where, and that no profile contains a refused one."""

import re
import tomllib
from typing import Any

import pytest
from dry_deployment import PSEUDO_PARAMETERS, DryStack, ParameterError, RuleError, deploy
from samcli.cli.types import CfnParameterOverridesType
from template_files import ROOT_DIR, root

from commands.deployment import quoted
from preflight.checks.all_checks import find_problems

SUBNETS = "subnet-1,subnet-2"
CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/1"
DOMAIN = "airflow.example.com"
CIDR = "203.0.113.0/24"


def preflight_problems(stack: DryStack) -> list[str]:
    properties = stack.child("PreflightStack").properties("Preflight")
    # CloudFormation passes every value to a custom resource as text.
    return find_problems({name: str(value) for name, value in properties.items()})


def test_guided_deployment_asks_at_most_32_questions() -> None:
    parameters = root().parameters

    assert len(parameters) <= 32
    # Enter at every question deploys.
    assert [name for name, each in parameters.items() if "Default" not in each] == []


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/architecture.md",
        "docs/guided-deployment.md",
        "docs/decisions/0009-one-front-door.md",
    ],
)
def test_pages_say_how_many_questions_are_asked(page: str) -> None:
    said = re.findall(r"\b(\d+) (?:parameters|questions)\b", (ROOT_DIR / page).read_text())

    # Decision 9 names the number of the former template, too.
    assert set(said) - {"52"} == {str(len(root().parameters))}


def test_transcript_asks_for_each_parameter_with_its_default() -> None:
    text = (ROOT_DIR / "docs" / "guided-deployment.md").read_text()
    shown = re.findall(r"^\s*Parameter (\w+) \[(.*?)\]:", text, re.MULTILINE)

    defaults = {name: str(each["Default"]) for name, each in root().parameters.items()}
    assert shown == list(defaults.items())


@pytest.mark.parametrize(
    ("parameters", "change"),
    [
        ({"IngressCidr": CIDR}, "Leave IngressCidr empty"),
        ({"DomainName": DOMAIN, "HostedZoneId": "Z1"}, "Set CertificateArn, or leave DomainName"),
        ({"IngressMode": "load-balancer", "IngressCidr": CIDR}, "Set DomainName with HostedZoneId"),
        (
            {"IngressMode": "load-balancer", "DomainName": DOMAIN, "HostedZoneId": "Z1"},
            "Set IngressCidr",
        ),
        ({"IngressMode": "internal"}, "Set IngressCidr"),
        ({"IngressMode": "http-without-tls"}, "Set IngressCidr"),
        (
            {
                "IngressMode": "http-without-tls",
                "IngressCidr": CIDR,
                "DomainName": DOMAIN,
                "CertificateArn": CERTIFICATE,
            },
            "Leave DomainName and CertificateArn empty",
        ),
        (
            {"IngressMode": "load-balancer", "IngressCidr": CIDR, "DomainName": DOMAIN},
            "Set HostedZoneId",
        ),
        ({"HostedZoneId": "Z1"}, "Set DomainName, or leave HostedZoneId"),
        ({"CertificateArn": CERTIFICATE}, "Set DomainName, or leave CertificateArn"),
        ({"DagProcessorTasks": "1x512/1024"}, "Leave DagProcessorTasks"),
        ({"TriggererTasks": "2x512/1024"}, "Leave DagProcessorTasks and TriggererTasks"),
    ],
)
def test_rules_say_what_to_change_when_parameters_contradict_each_other(
    parameters: dict[str, str], change: str
) -> None:
    with pytest.raises(RuleError, match=change):
        deploy(**parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        {"EnvironmentClass": "tiny"},
        {"AdminEmail": "admin"},
        {"IngressMode": "cloudfront,internal"},
        {"DomainName": "https://airflow.example.com"},
        {"HostedZoneId": "example.com"},
        {"CertificateArn": "certificate"},
        {"IngressCidr": "203.0.113.0"},
        {"Vpc": "10.0.0.0/24"},
        {"Vpc": "my-vpc"},
        {"PublicSubnetIds": "subnet-1, subnet-2"},
        {"PrivateSubnetIds": "10.0.0.0/24"},
        {"NetworkMode": "none"},
        {"AirflowImageUri": "airflow"},
        {"AirflowConfiguration": "core.parallelism=64"},
        {"DagReleases": "[]"},
        {"ApiServerTasks": "2x1024"},
        {"ApiServerTasks": "0x512/1024"},
        {"SchedulerTasks": "1x256/8192"},
        {"DagProcessorTasks": "2x512/1024"},
        {"TriggererTasks": "1x300/1024"},
        {"Database": "db.t4g.micro/10/single-az"},
        {"Database": "db.t4g.micro/20"},
        {"Options": "arm"},
        {"WorkerMaxCount": "0"},
        {"WorkerMaxCount": "1001"},
        {"WorkerQueueNames": "heavy, gpu"},
        {"WorkerQueueNames": "a,b,c,d,e,f,g,h,i"},
        {"WorkerFleets": "x" * 4001},
        {"FernetKeySecretArn": "my-secret"},
    ],
    ids=str,
)
def test_illegal_value_is_refused_by_the_pattern_of_its_parameter(
    parameters: dict[str, Any],
) -> None:
    with pytest.raises(ParameterError, match=next(iter(parameters))):
        _ = deploy(**parameters).parameters


@pytest.mark.parametrize(
    "size", ["1x256/512", "10x4096/30720", "2x2048/16384", "3x1024/2048", "1x512/4096"]
)
def test_sizes_that_fargate_offers_are_accepted(size: str) -> None:
    deploy(EnvironmentClass="small", ApiServerTasks=size, SchedulerTasks=size)


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"SchedulerTasks": "1x256/512"}, "SchedulerTasks"),
        ({"WorkerFleets": '{"default": {"size": "1024/4096/64"}}'}, "size"),
        ({"WorkerFleets": '{"heavy": {}}'}, "add it to WorkerQueueNames"),
        ({"WorkerFleets": '{"default": }'}, "is not valid JSON"),
        ({"WorkerFleets": '{"default": {"aheadMaxCount": 2}}'}, "aheadMaxCount"),
        ({"WorkerQueueNames": "heavy,default"}, "WorkerQueueNames"),
        ({"AirflowConfiguration": '{"cores": {"parallelism": 64}}'}, "cores"),
        ({"AirflowConfiguration": '{"core": {"executor": "LocalExecutor"}}'}, "executor"),
        ({"DagReleases": '{"kept": 1}'}, "kept"),
        ({"Options": "protected"}, "protected"),
        ({"Vpc": "vpc-1"}, "PrivateSubnetIds"),
        ({"Vpc": "vpc-1", "PrivateSubnetIds": "subnet-1"}, "PrivateSubnetIds"),
        ({"PrivateSubnetIds": SUBNETS}, "Vpc"),
        (
            {
                "Vpc": "vpc-1",
                "PrivateSubnetIds": SUBNETS,
                "IngressMode": "http-without-tls",
                "IngressCidr": CIDR,
            },
            "PublicSubnetIds",
        ),
        (
            {"Vpc": "vpc-1", "PrivateSubnetIds": SUBNETS, "NetworkMode": "single-nat"},
            "NetworkMode",
        ),
    ],
    ids=str,
)
def test_preflight_refuses_what_rules_cannot_see(parameters: dict[str, Any], problem: str) -> None:
    assert [each for each in preflight_problems(deploy(**parameters)) if problem in each]


@pytest.mark.parametrize("environment_class", ["micro", "small", "medium", "large"])
def test_preflight_accepts_every_class(environment_class: str) -> None:
    assert preflight_problems(deploy(EnvironmentClass=environment_class)) == []


def as_sam_reads(pairs: list[str]) -> dict[str, str]:
    return dict(CfnParameterOverridesType().convert(tuple(pairs), None, None)) if pairs else {}


def test_deployment_quotes_values_as_sam_reads_them() -> None:
    values = {
        "WorkerFleets": '{"heavy": {"size": "1024/4096/1", "floors": [{"days": "mon-fri, sun"}]}}',
        "WorkerQueueNames": "heavy,gpu",
        "IngressMode": "http-without-tls",
    }

    assert as_sam_reads([f"{name}={quoted(value)}" for name, value in values.items()]) == values


def profiles() -> dict[str, dict[str, str]]:
    config = tomllib.loads((ROOT_DIR / "samconfig.toml").read_text())
    return {
        name: as_sam_reads(commands["deploy"]["parameters"].get("parameter_overrides", []))
        for name, commands in config.items()
        if isinstance(commands, dict)
    }


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "ap-southeast-2", "us-gov-west-1"])
@pytest.mark.parametrize("profile", ["default", "dev", "prod", "local"])
def test_profile_resolves_and_passes_every_check_in_every_region(
    profile: str, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PSEUDO_PARAMETERS, "AWS::Region", region)
    stack = deploy(**profiles()[profile])

    assert preflight_problems(stack) == []
    assert set(stack.parameters) == set(root().parameters)
    for each in stack.everything():
        for name in each.resources:
            assert each.properties(name) is not None


def test_profiles_are_default_dev_prod_and_local() -> None:
    assert list(profiles()) == ["default", "dev", "prod", "local"]


def test_profiles_need_no_language_extensions() -> None:
    assert "language_extensions" not in (ROOT_DIR / "samconfig.toml").read_text()
