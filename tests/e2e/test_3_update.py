"""Updates of a deployed stack: the change set of each parameter, and refused parameters."""

import json
import sys
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from commands import deployment
from commands.workspace import ROOT, CommandError, stack_name
from tests.e2e.conftest import Deployed

# What the templates promise, worked out without AWS.
sys.path.insert(0, str(ROOT / "tests" / "templates" / "support"))

CAPABILITIES = ["CAPABILITY_IAM"]
# The resources that a new worker maximum changes: the check, the scaler's settings, the fleet.
# The doctor compares the maximum with the quotas of the account.
UPDATED = {"Preflight", "ScaleWorkersFunction", "WorkerFleet", "DoctorFunction"}
# In class micro the rules refuse a size of these: they have no task of their own.
WITHOUT_TASK = ("DagProcessorTasks", "TriggererTasks")
MORE_THAN_MAXIMUM = {"WorkerFleets": '{"default": {"minCount": 5}}', "WorkerMaxCount": "2"}
# The local profile already has the queue `heavy`.
OTHER_VALUES = {"WorkerQueueNames": {"WorkerQueueNames": "heavy,gpu"}}
KEPT_QUEUE = "QueuesStack/WorkerQueue1"
# The local profile serves plain HTTP, which has no domain.
DOMAIN = {"IngressMode": "load-balancer", "DomainName": "airflow.example.com"}


class ChangeSet:
    """A change set of the deployed stack with its nested ones, in which some parameters change."""

    def __init__(self, deployed: Deployed, name: str, changed: dict[str, str]) -> None:
        self._client = deployed.workspace.client("cloudformation")
        self.before = stack_parameters(deployed)
        self.after = {**self.before, **changed}
        parameters = [
            {"ParameterKey": key, "UsePreviousValue": True}
            if value == self.before[key]
            else {"ParameterKey": key, "ParameterValue": value}
            for key, value in self.after.items()
        ]
        self.id = self._client.create_change_set(
            StackName=stack_name(), ChangeSetName=name, UsePreviousTemplate=True,
            Parameters=parameters, Capabilities=CAPABILITIES, IncludeNestedStacks=True,
        )["Id"]  # fmt: skip
        self._client.get_waiter("change_set_create_complete").wait(
            ChangeSetName=self.id, WaiterConfig={"Delay": 1}
        )

    def changes(self) -> dict[str, str]:
        """Path of a resource below the root stack → add, modify, remove or replace.

        A nested stack is listed only where it is removed, with everything in it.
        """
        return dict(self._leaves(self.id, ""))

    def _leaves(self, change_set: str, path: str) -> Any:
        for change in self._client.describe_change_set(ChangeSetName=change_set)["Changes"]:
            resource = change["ResourceChange"]
            where = f"{path}{resource['LogicalResourceId']}"
            is_stack = resource["ResourceType"] == "AWS::CloudFormation::Stack"
            if resource.get("ChangeSetId"):
                yield from self._leaves(resource["ChangeSetId"], f"{where}/")
            elif not is_stack or resource["Action"] == "Remove":
                replaced = resource.get("Replacement") == "True"
                yield where, "replace" if replaced else resource["Action"].lower()

    def delete(self) -> None:
        """Forget it."""
        self._client.delete_change_set(ChangeSetName=self.id)

    def execute(self) -> None:
        """Carry it out."""
        self._client.execute_change_set(ChangeSetName=self.id)
        self._client.get_waiter("stack_update_complete").wait(
            StackName=stack_name(), WaiterConfig={"Delay": 1}
        )


def stack_parameters(deployed: Deployed) -> dict[str, str]:
    """The parameters of the root stack."""
    client = deployed.workspace.client("cloudformation")
    (stack,) = client.describe_stacks(StackName=stack_name())["Stacks"]
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}


def test_change_set_of_each_parameter_has_what_the_templates_promise(deployed: Deployed):
    from dry_deployment import changes, deploy
    from single_changes import AFTER

    for parameter, values in {**AFTER, **OTHER_VALUES}.items():
        if parameter in WITHOUT_TASK:
            continue
        more = DOMAIN if "DomainName" in values else {}
        change_set = ChangeSet(deployed, f"only-{parameter}", {**values, **more})
        found = change_set.changes()
        promised = changes(deploy(**change_set.before), deploy(**change_set.after))
        listed = {path: found.get(path) or removed_with_its_stack(path, found) for path in promised}

        # A change set says "modify" also of what it does not know yet, so it may list more.
        unlisted = {
            path: (action, listed[path])
            for path, action in promised.items()
            if listed[path] is None or (action in ("add", "remove") and listed[path] != action)
        }
        assert unlisted == {}, parameter
        # The embedded AWS takes a queue's composed name for a new one when the list changes.
        replaced = {path for path, action in found.items() if action == "replace"} - {KEPT_QUEUE}
        assert replaced <= {path for path, action in promised.items() if action == "replace"}
        change_set.delete()


def removed_with_its_stack(path: str, found: dict[str, str]) -> str | None:
    """`remove` where a stack around this resource is removed."""
    parts = path.split("/")
    around = ("/".join(parts[:end]) for end in range(1, len(parts)))
    return "remove" if any(found.get(each) == "remove" for each in around) else None


def test_change_set_of_a_new_worker_maximum_touches_the_fleet_and_the_doctor(deployed: Deployed):
    change_set = ChangeSet(deployed, "three-workers", {"WorkerMaxCount": "3"})
    found = {path.split("/")[-1]: action for path, action in change_set.changes().items()}
    # Resources that use an attribute of the function are listed too, because it could change.
    assert set(found) >= UPDATED
    assert set(found.values()) == {"modify"}

    running = deployed.service_tasks()
    before = _event_ids(deployed)
    change_set.execute()
    assert deployed.service_tasks() == running
    assert _updated_since(deployed, before) == UPDATED
    settings = deployed.workspace.client("lambda").get_function_configuration(
        FunctionName=deployed.outputs["ScaleWorkersFunctionName"]
    )
    assert settings["Environment"]["Variables"]["WORKER_MAX_COUNT"] == "3"


def test_update_is_refused_and_rolled_back_when_minimum_exceeds_maximum(deployed: Deployed):
    before = deployed.service_tasks()
    with pytest.raises(CommandError, match="minCount"):
        deployment.deploy(deployed.workspace, _Silent(), MORE_THAN_MAXIMUM)
    assert deployment.stack_status(deployed.workspace) == "UPDATE_ROLLBACK_COMPLETE"
    assert deployed.service_tasks() == before


def test_new_stack_only_creates_the_check_when_parameters_are_illegal(deployed: Deployed):
    client = deployed.workspace.client("cloudformation")
    template = client.get_template(StackName=stack_name())["TemplateBody"]
    parameters = {**stack_parameters(deployed), **MORE_THAN_MAXIMUM}
    client.create_stack(
        StackName="illegal", TemplateURL=_uploaded(deployed, template), Capabilities=CAPABILITIES,
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
    )  # fmt: skip
    with pytest.raises(WaiterError):
        client.get_waiter("stack_create_complete").wait(
            StackName="illegal", WaiterConfig={"Delay": 1}
        )

    events = client.describe_stack_events(StackName="illegal")["StackEvents"]
    created = {
        e["LogicalResourceId"] for e in events if e["ResourceStatus"] == "CREATE_IN_PROGRESS"
    }
    assert created == {"illegal", "PreflightStack"}
    # On AWS, the reason is in the events of the nested stack only.
    nested = next(
        e["PhysicalResourceId"] for e in events
        if e["LogicalResourceId"] == "PreflightStack" and e.get("PhysicalResourceId")
    )  # fmt: skip
    inner = client.describe_stack_events(StackName=nested)["StackEvents"]
    reasons = " ".join(e.get("ResourceStatusReason", "") for e in inner)
    assert "minCount" in reasons
    client.delete_stack(StackName="illegal")
    client.get_waiter("stack_delete_complete").wait(StackName="illegal", WaiterConfig={"Delay": 1})


def test_rules_refuse_a_load_balancer_without_a_domain_before_anything_is_created(
    deployed: Deployed,
):
    client = deployed.workspace.client("cloudformation")
    template = client.get_template(StackName=stack_name())["TemplateBody"]
    with pytest.raises(ClientError, match="Set DomainName with HostedZoneId"):
        client.create_stack(
            StackName="illegal-ingress", TemplateURL=_uploaded(deployed, template),
            Capabilities=CAPABILITIES,
            Parameters=[
                {"ParameterKey": "AirflowImageUri", "ParameterValue": "local/airflow:x"},
                {"ParameterKey": "IngressMode", "ParameterValue": "load-balancer"},
            ],
        )  # fmt: skip


def _uploaded(deployed: Deployed, template: Any) -> str:
    """The URL of a template that is too long for TemplateBody, as the console and SAM upload it."""
    text = template if isinstance(template, str) else json.dumps(template)
    bucket, key = "templates-of-a-test", "root.template"
    s3 = deployed.workspace.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=key, Body=text.encode())
    return f"{deployed.workspace.endpoint}/{bucket}/{key}"


def _event_ids(deployed: Deployed) -> set[str]:
    return {event["EventId"] for event in _events(deployed)}


def _updated_since(deployed: Deployed, before: set[str]) -> set[str]:
    """The resources, except stacks, that were updated since these events."""
    return {
        event["LogicalResourceId"]
        for event in _events(deployed)
        if event["EventId"] not in before
        and event["ResourceStatus"] == "UPDATE_COMPLETE"
        and event["ResourceType"] != "AWS::CloudFormation::Stack"
    }


def _events(deployed: Deployed) -> list[dict[str, Any]]:
    client = deployed.workspace.client("cloudformation")
    return [
        event
        for stack in deployment.all_stacks(deployed.workspace)
        for event in client.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
    ]


class _Silent:
    """Steps that print nothing."""

    def detail(self, text: str) -> None:
        """Print nothing."""
