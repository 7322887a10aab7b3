"""The project's own rules for templates. Each yields one sentence for every breach that it finds.

They add what cfn-lint cannot know. `fixtures/<rule>.yaml` breaks each of them on purpose.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from template_files import NESTED_STACK, TemplateFile, attributes, walk

Rule = Callable[[TemplateFile], Iterator[str]]

RULES: dict[str, Rule] = {}

SECTIONS = [
    "Transform",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Mappings",
    "Conditions",
    "Globals",
    "Resources",
    "Outputs",
]
STATEFUL = {
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::RDS::DBInstance",
    "AWS::S3::Bucket",
    "AWS::SecretsManager::Secret",
    "AWS::SQS::Queue",
}
# The properties by which resources get a name that we choose.
PHYSICAL_NAMES = {
    "AWS::CloudFront::VpcOrigin": "Name",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::ECS::Cluster": "ClusterName",
    "AWS::ECS::Service": "ServiceName",
    "AWS::ECS::TaskDefinition": "Family",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "Name",
    "AWS::ElasticLoadBalancingV2::TargetGroup": "Name",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::Role": "RoleName",
    "AWS::KMS::Alias": "AliasName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::RDS::DBInstance": "DBInstanceIdentifier",
    "AWS::RDS::DBSubnetGroup": "DBSubnetGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::Scheduler::ScheduleGroup": "Name",
    "AWS::SecretsManager::Secret": "Name",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::ServiceDiscovery::PrivateDnsNamespace": "Name",
}
# Actions that AWS authorizes on no resource.
RESOURCELESS = {
    "ecr:GetAuthorizationToken",
    "ec2:DescribeManagedPrefixLists",
    "ecs:ListServices",
    "ecs:ListTasks",
    "inspector2:ListCoverage",
    "inspector2:ListFindings",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}


def rule(check: Rule) -> Rule:
    RULES[check.__name__] = check
    return check


@rule
def sections_in_order(template: TemplateFile) -> Iterator[str]:
    present = list(template.written)
    if present != [name for name in SECTIONS if name in present]:
        yield f"the sections stand as {present}"


@rule
def readable_without_scrolling(template: TemplateFile) -> Iterator[str]:
    for number, line in enumerate(template.text.splitlines(), 1):
        if len(line) > 110:
            yield f"line {number} has {len(line)} columns, more than 110"


@rule
def nothing_is_transformed(template: TemplateFile) -> Iterator[str]:
    """A change set of nested stacks may refuse transforms, and older SAM CLIs fail on loops.

    The functions are plain AWS::Lambda::Function resources, which `sam build` builds as well.
    """
    if "Transform" in template.written:
        yield f"{template.written['Transform']} is a transform"
    for section in ("Conditions", "Resources", "Outputs"):
        for name in template.section(section):
            if name.startswith("Fn::ForEach"):
                yield f"{name} is a loop"


@rule
def conditions_are_few(template: TemplateFile) -> Iterator[str]:
    """The root asks which sizes differ from the class; queues and their alarms ask by place."""
    names = [name for name in template.section("Conditions") if not name.startswith("HasQueue")]
    if len(names) > 8 and not template.is_root:
        yield f"{len(names)} conditions ask for a split"


@rule
def root_parameters_say_what_they_take(template: TemplateFile) -> Iterator[str]:
    if "AWS::CloudFormation::Interface" not in template.section("Metadata"):
        return
    for name, definition in template.parameters.items():
        text = definition.get("Description", "")
        if not re.fullmatch(r"\S.*\.", text):
            yield f"{name} is not described by a sentence"
        restrictions = {"AllowedValues", "AllowedPattern", "MinValue", "MaxValue", "MinLength"}
        if not restrictions & set(definition):
            yield f"{name} takes any value"
        elif "ConstraintDescription" not in definition:
            yield f"{name} is restricted and has no ConstraintDescription"
        if (definition.get("Default") == "") != text.startswith("Optional. "):
            yield f'{name}: an empty default and a description that starts "Optional." go together'


@rule
def nested_parameters_trust_the_root(template: TemplateFile) -> Iterator[str]:
    if template.is_root or "AWS::CloudFormation::Interface" in template.section("Metadata"):
        return
    for name, definition in template.parameters.items():
        if set(definition) != {"Type", "Description"}:
            yield f"{name} has more than a type and a description"


@rule
def interface_groups_every_parameter(template: TemplateFile) -> Iterator[str]:
    interface = template.section("Metadata").get("AWS::CloudFormation::Interface")
    if interface is None:
        if template.is_root:
            yield "there is no AWS::CloudFormation::Interface"
        return
    declared = list(template.parameters)
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    labels = interface["ParameterLabels"]
    if grouped != declared:
        yield f"the groups hold {grouped}, declared are {declared}"
    if list(labels) != declared:
        yield f"labelled are {list(labels)}, declared are {declared}"
    texts = [label["default"] for label in labels.values()]
    if len(set(texts)) != len(texts) or not all(texts):
        yield "two parameters have the same label, or one has an empty one"


@rule
def nested_stacks_get_their_parameters(template: TemplateFile) -> Iterator[str]:
    for stack, child in template.children().items():
        given = set(template.resources[stack]["Properties"].get("Parameters", {}))
        if given != set(child.parameters):
            missing, unknown = set(child.parameters) - given, given - set(child.parameters)
            yield f"{stack} lacks {sorted(missing)}, has no {sorted(unknown)}"


@rule
def outputs_bear_their_consumers_name(template: TemplateFile) -> Iterator[str]:
    """An output is named as the parameter that takes it, or as the end of that parameter's name."""
    stacks = template.of_type(NESTED_STACK)
    given = {
        f"{stack}.{name}": (name, value)
        for stack, resource in stacks.items()
        for name, value in resource["Properties"].get("Parameters", {}).items()
    }
    for where, (name, value) in given.items():
        for child, attribute in attributes(value):
            output = attribute.removeprefix("Outputs.")
            if child in stacks and not name.endswith(output.removeprefix("Task")):
                yield f"{where} is {child}'s {attribute}"


@rule
def nothing_is_exported(template: TemplateFile) -> Iterator[str]:
    for name, output in template.section("Outputs").items():
        if "Export" in output:
            yield f"{name} is exported"
    if any(isinstance(n, dict) and "Fn::ImportValue" in n for n in walk(template.written)):
        yield "something is imported"


@rule
def physical_names_have_a_reason(template: TemplateFile) -> Iterator[str]:
    for name, resource in template.resources.items():
        wanted = PHYSICAL_NAMES.get(resource["Type"])
        value = resource.get("Properties", {}).get(wanted)
        if value is None:
            continue
        if "${RootStackName}" not in str(value):
            yield f"{wanted} of {name} does not start with the root stack's name"
        if not re.search(rf"#[^\n]*\n\s+{wanted}: ", template.text):
            yield f"{wanted} of {name} has no comment above it that says why"


@rule
def names_follow_the_house(template: TemplateFile) -> Iterator[str]:
    ids = [*template.resources, *template.parameters, *template.section("Outputs")]
    for name in ids:
        if not re.fullmatch(r"([A-Z][a-z0-9]*)+", name) or re.search(r"[A-Z]{2}[A-Z]", name):
            yield f"{name} is not in PascalCase with acronyms as words"
    for name, resource in template.resources.items():
        for kind, suffix in ((NESTED_STACK, "Stack"), ("AWS::IAM::Role", "Role")):
            if resource["Type"] == kind and not name.endswith(suffix):
                yield f"{name} does not end in {suffix}"
    for name in template.section("Conditions"):
        if not name.startswith(("Has", "Create", "Is")) or name in template.parameters:
            yield f"condition {name} does not start with Has, Create or Is"


@rule
def state_declares_what_becomes_of_it(template: TemplateFile) -> Iterator[str]:
    for name in template.of_type(*STATEFUL):
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if policy not in template.resources[name]:
                yield f"{name} has no {policy}"


@rule
def logs_are_declared_and_end(template: TemplateFile) -> Iterator[str]:
    groups = template.of_type("AWS::Logs::LogGroup")
    for name, group in groups.items():
        if "RetentionInDays" not in group.get("Properties", {}):
            yield f"{name} keeps logs for ever"
    for name, function in template.of_type("AWS::Lambda::Function").items():
        log = function["Properties"].get("LoggingConfig", {}).get("LogGroup")
        if not isinstance(log, dict) or log.get("Ref") not in groups:
            yield f"{name} writes to no log group of this template"
    for name, definition in template.of_type("AWS::ECS::TaskDefinition").items():
        for container in _containers(definition["Properties"]["ContainerDefinitions"]):
            options = container.get("LogConfiguration", {}).get("Options", {})
            if options.get("awslogs-group", {}).get("Ref") not in groups:
                yield f"a container of {name} writes to no log group of this template"


@rule
def partition_is_not_assumed(template: TemplateFile) -> Iterator[str]:
    for node in walk(template.section("Resources")):
        if isinstance(node, str) and re.search(r"\barn:aws", node):
            yield f"{node} names a partition"


@rule
def permissions_are_narrow(template: TemplateFile) -> Iterator[str]:
    for name, role in template.of_type("AWS::IAM::Role").items():
        if "ManagedPolicyArns" in role["Properties"]:
            yield f"{name} has a managed policy, which no reader of this template sees"
        for statement in _statements(role["Properties"].get("Policies", [])):
            actions = _list(statement["Action"])
            named = [action for action in actions if isinstance(action, str)]
            for action in named:
                if "*" in action:
                    yield f"{name} may {action}"
            if "*" in _list(statement["Resource"]) and set(named) - RESOURCELESS:
                yield f"{name} may {sorted(set(named) - RESOURCELESS)} on everything"
            if "iam:PassRole" in named and "iam:PassedToService" not in str(
                statement.get("Condition")
            ):
                yield f"{name} may pass a role to any service"
            if "ecs:RunTask" in named and "ecs:cluster" not in str(statement.get("Condition")):
                yield f"{name} may run tasks in any cluster"
            if "inspector2:ListFindings" in named and "aws:ViaAWSService" not in str(
                statement.get("Condition")
            ):
                yield f"{name} may list the findings of the account"


@rule
def buckets_are_closed(template: TemplateFile) -> Iterator[str]:
    policies = [p["Properties"] for p in template.of_type("AWS::S3::BucketPolicy").values()]
    guarded = {
        policy["Bucket"]["Ref"] for policy in policies if "aws:SecureTransport" in str(policy)
    }
    for name, bucket in template.of_type("AWS::S3::Bucket").items():
        properties = bucket.get("Properties", {})
        block = properties.get("PublicAccessBlockConfiguration", {})
        if [bool(value) for value in block.values()] != [True] * 4:
            yield f"{name} may be public"
        if "BucketEncryption" not in properties:
            yield f"{name} names no encryption"
        if name not in guarded:
            yield f"{name} takes connections without TLS"


@rule
def secrets_stay_out_of_environments(template: TemplateFile) -> Iterator[str]:
    for name, resource in template.resources.items():
        for node in walk(resource):
            if isinstance(node, dict) and "{{resolve:" in str(node.get("Environment", "")):
                yield f"{name} resolves a secret into an environment, where anybody can read it"


@rule
def no_code_is_pasted(template: TemplateFile) -> Iterator[str]:
    for node in walk(template.section("Resources")):
        for key in ("ZipFile", "InlineCode", "DashboardBody", "DefinitionString"):
            if isinstance(node, dict) and key in node:
                yield f"{key} holds code"


@rule
def assertions_say_what_to_change(template: TemplateFile) -> Iterator[str]:
    for name, definition in template.section("Rules").items():
        for assertion in definition["Assertions"]:
            text = assertion.get("AssertDescription", "")
            if not re.search(r"(?i)\b(set|leave|choose)\b.*\.$", text):
                yield f"{name} says {text!r}, not what to change"


def _statements(policies: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All statements, those behind an Fn::If included."""
    for node in walk(policies):
        if isinstance(node, dict) and "Effect" in node and "Action" in node:
            yield node


def _containers(definitions: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All containers, those behind an Fn::If included."""
    for each in definitions:
        branches = each.get("Fn::If", [None, each])
        yield from (branch for branch in branches[1:] if "Ref" not in branch)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
