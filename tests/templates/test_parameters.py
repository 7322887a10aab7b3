"""Which parameters are refused, by whom, and that the profiles hold none of those."""

import tomllib
from typing import Any

import pytest
from dry_deployment import DryStack, ParameterError, RuleError, deploy
from samcli.cli.types import CfnParameterOverridesType
from template_files import ROOT_DIR, root

from commands.deployment import quoted
from preflight.parameters import find_problems

SUBNETS = "subnet-1,subnet-2"
CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/1"


def preflight_problems(stack: DryStack) -> list[str]:
    properties = stack.child("PreflightStack").properties("Prerequisites")
    # CloudFormation hands every value to a custom resource as text.
    return find_problems({name: str(value) for name, value in properties.items()})


@pytest.mark.parametrize(
    ("parameters", "change"),
    [
        ({"VpcId": "vpc-1"}, "set PublicSubnetIds"),
        ({"VpcId": "vpc-1"}, r"and PrivateSubnetIds \("),
        ({"VpcId": "vpc-1", "PublicSubnetIds": SUBNETS}, r"and PrivateSubnetIds \("),
        ({"PublicSubnetIds": SUBNETS}, "set VpcId"),
        ({"PrivateSubnetIds": SUBNETS}, "set VpcId"),
        (
            {
                "VpcId": "vpc-1",
                "PublicSubnetIds": SUBNETS,
                "PrivateSubnetIds": SUBNETS,
                "NatGatewayMode": "single",
            },
            "leave NatGatewayMode at none",
        ),
        ({"CertificateArn": CERTIFICATE}, "set AirflowBaseUrl"),
    ],
)
def test_rules_say_what_to_change_when_texts_contradict_each_other(
    parameters: dict[str, str], change: str
) -> None:
    with pytest.raises(RuleError, match=change):
        deploy(**parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        {"VpcId": "10.0.0.0/16"},
        {"PublicSubnetIds": "subnet-1, subnet-2"},
        {"VpcCidr": "10.0.0.0/24"},
        {"AirflowImageUri": "airflow"},
        {"AirflowBaseUrl": "https://example.com/airflow"},
        {"CpuArchitecture": "RISC-V"},
        {"WorkerConcurrency": 0},
        {"DatabaseBackupRetentionDays": 36},
        {"LogRetentionDays": 31},
        {"AdminEmail": "admin"},
        {"WorkerQueueNames": "heavy, gpu"},
        {"WorkerQueueNames": ""},
        {"WorkerFleets": "x" * 2001},
    ],
    ids=str,
)
def test_parameter_is_refused_when_its_value_is_out_of_bounds(parameters: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=next(iter(parameters))):
        _ = deploy(**parameters).parameters


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"WorkerMinCount": 5, "WorkerMaxCount": 3}, "WorkerMinCount"),
        ({"SchedulerCpu": 256, "SchedulerMemoryMib": 8192}, "SchedulerMemoryMib"),
        ({"WorkerConcurrency": 64}, "WorkerMemoryMib"),
        ({"WorkerFleets": '{"heavy": {}}'}, "add it to WorkerQueueNames"),
        ({"WorkerQueueNames": "heavy,default"}, "WorkerQueueNames"),
        (
            {"VpcId": "vpc-1", "PublicSubnetIds": SUBNETS, "PrivateSubnetIds": "subnet-1"},
            "PrivateSubnetIds",
        ),
    ],
    ids=str,
)
def test_preflight_gets_what_it_needs_when_numbers_contradict_each_other(
    parameters: dict[str, Any], problem: str
) -> None:
    assert [each for each in preflight_problems(deploy(**parameters)) if problem in each]


def test_preflight_is_content_when_nothing_is_chosen() -> None:
    assert preflight_problems(deploy()) == []


def as_sam_reads(pairs: list[str]) -> dict[str, str]:
    return dict(CfnParameterOverridesType().convert(tuple(pairs), None, None)) if pairs else {}


def test_deployment_quotes_values_as_sam_reads_them_when_they_hold_quotes() -> None:
    values = {
        "WorkerFleets": '{"heavy": {"cpu": 4096, "floors": [{"days": "mon-fri, sun"}]}}',
        "WorkerQueueNames": "heavy,gpu",
        "AirflowBaseUrl": "http://localhost:8080",
    }

    assert as_sam_reads([f"{name}={quoted(value)}" for name, value in values.items()]) == values


def profiles() -> dict[str, dict[str, str]]:
    config = tomllib.loads((ROOT_DIR / "samconfig.toml").read_text())
    return {
        name: as_sam_reads(commands["deploy"]["parameters"].get("parameter_overrides", []))
        for name, commands in config.items()
        if isinstance(commands, dict)
    }


@pytest.mark.parametrize("profile", ["default", "dev", "prod", "local"])
def test_profile_passes_every_check_when_it_is_deployed(profile: str) -> None:
    stack = deploy(**profiles()[profile])

    assert preflight_problems(stack) == []
    assert set(stack.parameters) == set(root().parameters)


def test_profiles_are_the_named_ones_when_listed() -> None:
    assert list(profiles()) == ["default", "dev", "prod", "local"]
