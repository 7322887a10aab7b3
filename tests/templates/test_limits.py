"""No property has a value that a service's API refuses, in any class and for any choice.

cfn-lint knows the schemas of CloudFormation, and these do not contain everything: EC2 refuses an
apostrophe in the description of a rule only when it creates the rule. The table of limits is
`local/embedded_aws/limits/tables`; the embedded AWS checks what it creates against the same table.
"""

from pathlib import Path

import dry_deployment
import pytest
from api_limits import problems
from dry_deployment import DryStack, changes, deploy
from house_rules import PHYSICAL_NAMES
from single_changes import AFTER, ALL_WORDS, BEFORE, CERTIFICATE, WORDS
from template_files import TemplateFile

from preflight.checks.stack import MAX_STACK_NAME_LENGTH

CLASSES = ("micro", "small", "medium", "large")
BALANCER = {
    "IngressMode": "load-balancer",
    "IngressCidr": "203.0.113.0/24",
    "DomainName": "airflow.example.com",
    "HostedZoneId": "Z0123456789",
}
CHOICES = {
    **AFTER,
    **WORDS,
    "all words": {"Options": ALL_WORDS},
    "own VPC": {"Vpc": "vpc-1", "PrivateSubnetIds": "subnet-3,subnet-4"},
    "every zone": {"NetworkMode": "nat-per-zone"},
    "new certificate": BALANCER,
    "given certificate": {**BALANCER, "HostedZoneId": "", "CertificateArn": CERTIFICATE},
    "all queues": {
        "WorkerQueueNames": ",".join("abcdefgh"),
        "Options": "protected,x86",
        "AdminEmail": "team@example.com",
    },
}


# The changes that preflight lets pass.
NOT_REFUSED = [name for name in (*AFTER, *WORDS) if name not in ("Vpc", "Options=customer-key")]


@pytest.mark.parametrize("environment_class", CLASSES)
def test_class_is_within_the_limits_of_every_api(environment_class: str) -> None:
    assert list(problems(deploy(EnvironmentClass=environment_class))) == []


@pytest.mark.parametrize("choice", CHOICES)
def test_choice_is_within_the_limits_of_every_api(choice: str) -> None:
    assert list(problems(deploy(**{**BEFORE, **CHOICES[choice]}))) == []


def test_longest_name_of_a_stack_leaves_room_for_all_derived_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "a" * MAX_STACK_NAME_LENGTH
    monkeypatch.setattr(dry_deployment, "STACK_NAME", name)
    queues = ",".join("abcdefgh")

    assert list(problems(deploy(**BALANCER, WorkerQueueNames=queues))) == []


def one_resource(folder: Path, kind: str, properties: str) -> DryStack:
    template = folder / "template.yaml"
    template.write_text(f"Resources:\n  It:\n    Type: {kind}\n    Properties: {properties}\n")
    return DryStack("stack", TemplateFile(template), {})


@pytest.mark.parametrize(
    ("kind", "properties", "expected"),
    [
        (
            "AWS::EC2::SecurityGroup",
            "{GroupDescription: Tasks, SecurityGroupIngress: [{Description: Airflow's tasks}]}",
            'SecurityGroupIngress[].Description is "Airflow\'s tasks"',
        ),
        (
            "AWS::Wonder::Box",
            "{Name: box}",
            "AWS::Wonder::Box has no entry: add one to local/embedded_aws/limits/tables",
        ),
        (
            "AWS::SNS::Topic",
            "{Colour: blue}",
            "Colour has no entry in the table of limits: add AWS::SNS::Topic Colour to local/",
        ),
    ],
    ids=["value", "type", "property"],
)
def test_refused_value_and_missing_entry_are_named(
    kind: str, properties: str, expected: str, tmp_path: Path
) -> None:
    (found,) = problems(one_resource(tmp_path, kind, properties))

    assert expected in found


@pytest.mark.parametrize("choice", NOT_REFUSED)
def test_resource_with_a_name_of_ours_is_not_replaced_under_the_same_name(choice: str) -> None:
    """CloudFormation creates the new resource before it deletes the old one."""
    before, after = deploy(**BEFORE), deploy(**{**BEFORE, **{**AFTER, **WORDS}[choice]})
    replaced = [path for path, action in changes(before, after).items() if action == "replace"]

    assert [path for path in replaced if same_name(before, after, path)] == []


def same_name(before: DryStack, after: DryStack, path: str) -> bool:
    *stacks, resource = path.split("/")
    for name in stacks:
        before, after = before.child(name), after.child(name)
    named_by = PHYSICAL_NAMES.get(after.resources[resource]["Type"])
    # A new revision of a task definition has the family's name and the next number.
    if named_by in (None, "Family"):
        return False
    given = after.properties(resource).get(named_by)
    return given is not None and given == before.properties(resource).get(named_by)
