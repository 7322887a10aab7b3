"""CodePipeline.

What it says about the structure of a pipeline:
https://docs.aws.amazon.com/codepipeline/latest/userguide/pipeline-requirements.html and
https://docs.aws.amazon.com/codepipeline/latest/userguide/action-requirements.html
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from embedded_aws.limits.resources import Resource, UnknownValue
from embedded_aws.limits.rules import Unlimited

# Of each provider that a template may name: the category, the configuration that it needs, and how
# many artifacts it takes and gives.
_Artifacts = tuple[int, int]
_PROVIDERS: Final[Mapping[str, tuple[str, tuple[str, ...], _Artifacts, _Artifacts]]] = {
    "CodeStarSourceConnection": (
        "Source", ("ConnectionArn", "FullRepositoryId", "BranchName"), (0, 0), (1, 1),
    ),
    "CodeBuild": ("Build", ("ProjectName",), (1, 5), (0, 5)),
    "Manual": ("Approval", (), (0, 0), (0, 0)),
}  # fmt: skip
_VARIABLE: Final = re.compile(r"#\{([^}.]*)\.?([^}]*)\}")
# The namespace of the pipeline's own variables.
_OWN: Final = "codepipeline"

Action = Mapping[str, Any]


def _pipeline(properties: Mapping[str, Any]) -> Iterator[str]:
    stages = properties.get("Stages") or []
    if len(stages) < 2:
        yield f"Stages are {len(stages)}, at least 2 are needed (CodePipeline: structure)"
    yield from _repeated("Stages", [stage.get("Name") for stage in stages])
    for number, stage in enumerate(stages):
        actions = stage.get("Actions") or []
        name = stage.get("Name")
        if not actions:
            yield f"The stage {name} has no action (CodePipeline: structure)"
        yield from _repeated(f"Actions of the stage {name}", [each.get("Name") for each in actions])
        for action in actions:
            is_source = action["ActionTypeId"].get("Category") == "Source"
            if is_source and number:
                yield f"The stage {name} has a source action; only the first may (CodePipeline)"
            if not is_source and not number:
                yield f"The first stage, {name}, may have source actions only (CodePipeline)"
    yield from _artifacts_and_variables(stages)
    mode, kind = properties.get("ExecutionMode"), properties.get("PipelineType", "V1")
    if mode in ("QUEUED", "PARALLEL") and kind != "V2":
        yield f"ExecutionMode {mode} needs the PipelineType V2 (CodePipeline)"
    if bool(properties.get("ArtifactStore")) == bool(properties.get("ArtifactStores")):
        yield "Either ArtifactStore or ArtifactStores is needed, not both (CodePipeline)"


def _artifacts_and_variables(stages: list[Mapping[str, Any]]) -> Iterator[str]:
    made: set[str] = set()
    namespaces = {_OWN}
    for stage in stages:
        new: set[str] = set()
        for action in sorted(stage.get("Actions") or [], key=lambda each: each.get("RunOrder", 1)):
            where = f"The action {action.get('Name')} of the stage {stage.get('Name')}"
            yield from (f"{where} {problem}" for problem in _action(action, made | new, namespaces))
            for artifact in _names(action, "OutputArtifacts"):
                if artifact in made | new:
                    yield f"{where} makes the artifact {artifact} again (CodePipeline)"
                new.add(artifact)
            if namespace := action.get("Namespace"):
                if namespace in namespaces:
                    yield f"{where} has the namespace {namespace} of another one (CodePipeline)"
                namespaces.add(namespace)
        made |= new


def _action(action: Action, made: set[str], namespaces: set[str]) -> Iterator[str]:
    kind, configuration = action["ActionTypeId"], action.get("Configuration") or {}
    for artifact in _names(action, "InputArtifacts"):
        if artifact not in made:
            yield f"takes the artifact {artifact}, which no action before makes (CodePipeline)"
    provider = _PROVIDERS.get(str(kind.get("Provider")))
    if provider is None:
        yield f"has the provider {kind.get('Provider')}, of which nothing is known here"
        return
    category, needed, takes, makes = provider
    if kind.get("Category") not in (category, "Test" if category == "Build" else category):
        yield f"has the category {kind.get('Category')}, not {category} (CodePipeline)"
    for each in needed:
        if not configuration.get(each):
            yield f"lacks {each} in its configuration (CodePipeline: action structure)"
    for word, (least, most) in (("InputArtifacts", takes), ("OutputArtifacts", makes)):
        count = len(_names(action, word))
        if not least <= count <= most:
            yield f"has {count} {word}, allowed are {least} to {most} (CodePipeline)"
    variables = configuration.get("EnvironmentVariables")
    if isinstance(variables, str) and not isinstance(variables, UnknownValue):
        try:
            json.loads(variables)
        except ValueError:
            yield "has EnvironmentVariables that are not valid JSON (CodePipeline: CodeBuild)"
    for namespace, key in _VARIABLE.findall(json.dumps(configuration)):
        if namespace not in namespaces or not key:
            yield f"uses #{{{namespace}.{key}}}, which no action before has (CodePipeline)"


def _names(action: Action, word: str) -> list[str]:
    return [str(each.get("Name")) for each in action.get(word) or []]


def _repeated(what: str, names: list[Any]) -> Iterator[str]:
    for name in sorted({str(one) for one in names if names.count(one) > 1}):
        yield f"{what} have the name {name} twice (CodePipeline)"


LIMITS: Final = {
    "AWS::CodePipeline::Pipeline": Resource(
        "codepipeline:CreatePipeline:pipeline",
        members={
            "Stages[].Actions[].ActionTypeId": (
                "codepipeline:CreatePipeline:pipeline.stages[].actions[].actionTypeId"
            ),
        },
        rules={
            "ExecutionMode": Unlimited("cfn-lint has the words"),
        },
        checks=(_pipeline,),
    ),
}
