"""The real templates on an embedded AWS, without what takes minutes or costs nothing to attack.

A caller with AWS credentials meets roles, policies, secrets, buckets, queues, task definitions and
functions. So these are deployed from the very templates, in their nested stacks, and everything
else (network, database server, services, alarms) is left out. What refers to something left out
gets a name in its place.
"""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from template_files import NESTED_STACK, TemplateFile, root

from tests.integration.embedded_aws.stack_driver import BUCKET, Stack, StackDriver, zipped

KEPT = frozenset(
    {
        "AWS::ECS::TaskDefinition",
        "AWS::IAM::Role",
        "AWS::Lambda::Function",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::SecretsManager::Secret",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
        NESTED_STACK,
    }
)
# Runs the checks of parameters, and creates what every account has.
LEFT_OUT = frozenset({"PreflightStack"})
_VARIABLE = re.compile(r"\$\{([^!}.][^}.]*)(\.[^}]*)?\}")
_FUNCTION = "def handler(event, context): pass"


class ReducedStack:
    """One deployment; its resources by `NestedStack/LogicalId`."""

    kept = KEPT

    def __init__(self, stacks: StackDriver, name: str, **parameters: str) -> None:
        self._stacks = stacks
        key = stacks.upload(zipped({"main.py": _FUNCTION})).rsplit("/", 1)[-1]
        self._code = {"S3Bucket": BUCKET, "S3Key": key}
        self._urls: dict[str, str] = {}
        given = {"AirflowImageUri": "example/airflow:1", **parameters}
        answer = stacks.aws.client("cloudformation").create_stack(
            StackName=name, **self.request(given)
        )
        self.stack: Stack = stacks.wait(answer["StackId"])
        assert self.stack.status == "CREATE_COMPLETE", stacks.failures(self.stack)
        self.name = name

    def request(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        """What CreateStack or UpdateStack gets, but for the name."""
        return {
            "TemplateURL": self._upload(root()),
            "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
            "Capabilities": ["CAPABILITY_IAM"],
        }

    def replace(self, kind: str, properties: dict[str, Any]) -> None:
        """Replace what SAM would replace, or what is different here."""
        if kind == "AWS::Lambda::Function":
            properties["Code"] = self._code

    @cached_property
    def nested(self) -> dict[str, str]:
        """Nested stack → its id."""
        return {
            name: each["PhysicalResourceId"]
            for name, each in self._listed(self.stack.id).items()
            if each["ResourceType"] == NESTED_STACK
        }

    @cached_property
    def _resources(self) -> dict[str, dict[str, Any]]:
        return {
            f"{nested}/{name}": each
            for nested, stack in self.nested.items()
            for name, each in self._listed(stack).items()
        }

    def id(self, path: str) -> str:
        """The physical id of a resource."""
        return str(self._resources[path]["PhysicalResourceId"])

    def ids(self, kind: str) -> list[str]:
        """The physical ids of all resources of a type."""
        found = self._resources.items()
        return [self.id(path) for path, each in found if each["ResourceType"] == kind]

    @cached_property
    def secrets(self) -> dict[str, str]:
        """Secret's ARN → its value, of every secret that the stack made."""
        client = self._stacks.aws.client("secretsmanager")
        return {
            arn: client.get_secret_value(SecretId=arn)["SecretString"]
            for arn in self.ids("AWS::SecretsManager::Secret")
        }

    def _listed(self, stack: str) -> dict[str, dict[str, Any]]:
        client = self._stacks.aws.client("cloudformation")
        found = client.describe_stack_resources(StackName=stack)["StackResources"]
        return {each["LogicalResourceId"]: each for each in found}

    def _upload(self, template: TemplateFile) -> str:
        if template.name not in self._urls:
            self._urls[template.name] = self._stacks.upload(self._reduced(template))
        return self._urls[template.name]

    def _reduced(self, template: TemplateFile) -> dict[str, Any]:
        kept = {
            name: each
            for name, each in template.resources.items()
            if each["Type"] in self.kept
            and name not in LEFT_OUT
            and self._has_content(template, each)
        }
        gone = set(template.resources) - set(kept)
        resources = {}
        for name, each in kept.items():
            properties = _without(each.get("Properties", {}), gone)
            if each["Type"] == NESTED_STACK:
                properties["TemplateURL"] = self._upload(template.child(each))
            self.replace(each["Type"], properties)
            resources[name] = {"Type": each["Type"], "Properties": properties}
            if "Condition" in each:
                resources[name]["Condition"] = each["Condition"]
        sections = {
            name: template.section(name)
            for name in ("Parameters", "Mappings", "Conditions", "Rules")
            if template.section(name)
        }
        outputs = {} if template.is_root else _without(template.section("Outputs"), gone)
        return {**sections, "Resources": resources, **({"Outputs": outputs} if outputs else {})}

    def _has_content(self, template: TemplateFile, resource: Mapping[str, Any]) -> bool:
        if resource["Type"] != NESTED_STACK:
            return True
        child = template.child(dict(resource))
        return any(
            each["Type"] in self.kept and self._has_content(child, each)
            for each in child.resources.values()
        )


def _without(node: Any, gone: set[str]) -> Any:
    """The node, with `without-NAME` instead of what is left out."""
    if isinstance(node, list):
        return [_without(each, gone) for each in node]
    if not isinstance(node, dict):
        return node
    if len(node) == 1:
        function, argument = next(iter(node.items()))
        if function == "Ref" and argument in gone:
            return f"without-{argument}"
        if function == "Fn::GetAtt":
            name = argument.split(".")[0] if isinstance(argument, str) else argument[0]
            if name in gone:
                return f"without-{name}"
        if function == "Fn::Sub":
            text, variables = (argument, {}) if isinstance(argument, str) else argument
            text = _VARIABLE.sub(
                lambda found: f"without-{found[1]}" if found[1] in gone else found[0], text
            )
            return {"Fn::Sub": [text, _without(variables, gone)] if variables else text}
    return {key: _without(each, gone) for key, each in node.items()}
