"""Contract: what an update replaced in a nested stack exists until the root is done."""

import json
from typing import Any

from ..stack_driver import BUCKET, EXECUTION_ROLE, StackDriver

# Logs every request, and which of the two revisions in it are usable at that moment.
WITNESS = """
import json
import urllib.request

import boto3


def handler(event, context):
    if event["RequestType"] == "Update":
        ecs = boto3.client("ecs")
        new = event["ResourceProperties"]["Definition"]
        old = event["OldResourceProperties"]["Definition"]
        usable = [
            ecs.describe_task_definition(taskDefinition=one)["taskDefinition"]["status"]
            for one in (new, old)
        ]
        key = "witness/" + event["ResourceProperties"]["Name"] + "/" + str(context.aws_request_id)
        boto3.client("s3").put_object(
            Bucket="contract-tests", Key=key,
            Body=json.dumps({"new": new, "old": old, "usable": usable}),
        )
    body = {"Status": "SUCCESS", "PhysicalResourceId": "witness"}
    put = urllib.request.Request(event["ResponseURL"], json.dumps(body).encode(), method="PUT")
    urllib.request.urlopen(put)
"""
CHILD = "AWS::CloudFormation::Stack"


def leaf() -> dict[str, Any]:
    """A task definition in a separate nested stack."""
    return {
        "Parameters": {"Image": {"Type": "String"}},
        "Resources": {
            "Definition": {
                "Type": "AWS::ECS::TaskDefinition",
                "Properties": {
                    "Family": {"Ref": "AWS::StackName"},
                    "ContainerDefinitions": [{"Name": "one", "Image": {"Ref": "Image"}}],
                },
            }
        },
        "Outputs": {"Definition": {"Value": {"Ref": "Definition"}}},
    }


def middle(stacks: StackDriver) -> dict[str, Any]:
    """The component's stack and a custom resource that gets its task definition."""
    return {
        "Parameters": {"Image": {"Type": "String"}, "Name": {"Type": "String"}},
        "Resources": {
            "Role": EXECUTION_ROLE,
            "Witness": stacks.function(WITNESS),
            "Component": {
                "Type": CHILD,
                "Properties": {
                    "TemplateURL": stacks.upload(leaf()),
                    "Parameters": {"Image": {"Ref": "Image"}},
                },
            },
            "Migration": {
                "Type": "Custom::Migration",
                "Properties": {
                    "ServiceToken": {"Fn::GetAtt": ["Witness", "Arn"]},
                    "ServiceTimeout": 300,
                    "Name": {"Ref": "Name"},
                    "Definition": {"Fn::GetAtt": ["Component", "Outputs.Definition"]},
                },
            },
        },
        "Outputs": {"Definition": {"Value": {"Fn::GetAtt": ["Component", "Outputs.Definition"]}}},
    }


def root(middle_url: str, fails_last: bool) -> dict[str, Any]:
    last = {"Type": "String", "Value": "x"}
    if fails_last:
        last["Type"] = "NoSuchType"
    return {
        "Parameters": {"Image": {"Type": "String"}, "Name": {"Type": "String"}},
        "Resources": {
            "Middle": {
                "Type": CHILD,
                "Properties": {
                    "TemplateURL": middle_url,
                    "Parameters": {"Image": {"Ref": "Image"}, "Name": {"Ref": "Name"}},
                },
            },
            "Last": {"Type": "AWS::SSM::Parameter", "Properties": last, "DependsOn": "Middle"},
        },
        "Outputs": {"Definition": {"Value": {"Fn::GetAtt": ["Middle", "Outputs.Definition"]}}},
    }


def witnessed(stacks: StackDriver, name: str) -> list[dict[str, Any]]:
    s3 = stacks.aws.client("s3")
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"witness/{name}/").get("Contents", [])
    return [
        json.loads(s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read())
        for one in sorted(listed, key=lambda one: one["LastModified"])
    ]


def status_of(stacks: StackDriver, definition: str) -> str:
    described = stacks.aws.client("ecs").describe_task_definition(taskDefinition=definition)
    return str(described["taskDefinition"]["status"])


def revisions(stacks: StackDriver, definition: str) -> int:
    family = definition.rsplit("/", 1)[-1].split(":")[0]
    ecs = stacks.aws.client("ecs")
    return sum(
        len(ecs.list_task_definitions(familyPrefix=family, status=status)["taskDefinitionArns"])
        for status in ("ACTIVE", "INACTIVE")
    )


def test_both_revisions_exist_during_the_update_and_the_old_one_is_deleted_at_its_end(
    stacks: StackDriver,
) -> None:
    url = stacks.upload(middle(stacks))
    before = stacks.create(root(url, False), Image="one:1", Name="forward")

    after = stacks.update(before, root(url, False), Image="one:2", Name="forward")

    assert after.status == "UPDATE_COMPLETE"
    old, new = before.outputs["Definition"], after.outputs["Definition"]
    assert witnessed(stacks, "forward") == [
        {"new": new, "old": old, "usable": ["ACTIVE", "ACTIVE"]}
    ]
    assert (status_of(stacks, old), status_of(stacks, new)) == ("INACTIVE", "ACTIVE")


def test_rollback_restores_the_old_revision_when_a_later_sibling_fails(
    stacks: StackDriver,
) -> None:
    url = stacks.upload(middle(stacks))
    before = stacks.create(root(url, False), Image="one:1", Name="back")

    after = stacks.update(before, root(url, True), Image="one:2", Name="back")

    assert after.status == "UPDATE_ROLLBACK_COMPLETE"
    forward, back = witnessed(stacks, "back")
    old, new = before.outputs["Definition"], forward["new"]
    assert forward == {"new": new, "old": old, "usable": ["ACTIVE", "ACTIVE"]}
    # The properties are swapped, and the newer revision can still run a downgrade.
    assert back == {"new": old, "old": new, "usable": ["ACTIVE", "ACTIVE"]}
    assert after.outputs["Definition"] == old
    assert (status_of(stacks, old), status_of(stacks, new)) == ("ACTIVE", "INACTIVE")
    assert revisions(stacks, old) == 2


def test_update_succeeds_after_a_rolled_back_one(stacks: StackDriver) -> None:
    url = stacks.upload(middle(stacks))
    before = stacks.create(root(url, False), Image="one:1", Name="again")
    rolled_back = stacks.update(before, root(url, True), Image="one:2", Name="again")

    after = stacks.update(rolled_back, root(url, False), Image="one:3", Name="again")

    assert after.status == "UPDATE_COMPLETE"
    old, new = before.outputs["Definition"], after.outputs["Definition"]
    assert witnessed(stacks, "again")[-1] == {
        "new": new, "old": old, "usable": ["ACTIVE", "ACTIVE"]
    }  # fmt: skip
    assert (status_of(stacks, old), status_of(stacks, new)) == ("INACTIVE", "ACTIVE")


def test_failed_custom_resource_gets_its_old_properties_again(
    stacks: StackDriver,
) -> None:
    """CloudFormation also reverts an Update that failed."""
    template = middle(stacks)
    failing = WITNESS.replace(
        '"Status": "SUCCESS"',
        '"Status": "FAILED" if event["ResourceProperties"].get("Fails") == "yes" else "SUCCESS"',
    )
    template["Resources"]["Witness"] = stacks.function(failing)
    template["Parameters"]["Fails"] = {"Type": "String", "Default": "no"}
    template["Resources"]["Migration"]["Properties"]["Fails"] = {"Ref": "Fails"}
    before = stacks.create(template, Image="one:1", Name="itself")

    after = stacks.update(before, template, Image="one:2", Name="itself", Fails="yes")

    assert after.status == "UPDATE_ROLLBACK_COMPLETE"
    forward, back = witnessed(stacks, "itself")
    assert (back["new"], back["old"]) == (forward["old"], forward["new"])
    assert back["usable"] == ["ACTIVE", "ACTIVE"]
