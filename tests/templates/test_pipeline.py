"""The pipeline of DAGs, a stack of its own: what it creates, and who may do what."""

from typing import Any

import pytest
from api_limits import as_on_aws, problems
from dry_deployment import DryStack, ParameterError, RuleError
from template_files import pipeline

from embedded_aws.limits.resources import findings
from embedded_aws.limits.tables import limits_of

CONNECTION = (
    "arn:aws:codeconnections:us-east-1:123456789012:connection/01234567-89ab-cdef-0123-456789abcdef"
)
AIRFLOW = {"DagBucketName": "dags", "AirflowImageUri": "1.dkr.ecr/airflow@sha256:abc"}
WITH_PIPELINE = {**AIRFLOW, "ConnectionArn": CONNECTION}
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:sonar-AbCdEf"
ROLE = "arn:aws:iam::210987654321:role/release"
CHOICES = {
    "nothing": {},
    "pipeline": WITH_PIPELINE,
    "everything": {
        **WITH_PIPELINE,
        "CpuArchitecture": "x86-64",
        "KmsKeyArn": KEY,
        "SonarTokenSecretArn": SECRET,
        "TrustGitHub": "yes",
    },
    "elsewhere": {**WITH_PIPELINE, "PublishRoleArn": ROLE},
    "an account": {"TrustedAccountId": "210987654321"},
}
ROLES = {"ReleaseRole", "PreviewRole"}


def deploy(**parameters: str) -> DryStack:
    stack = DryStack("pipeline", pipeline(), parameters)
    stack.check_rules()
    return stack


def statements(stack: DryStack, role: str) -> dict[str, dict[str, Any]]:
    return {
        each["Sid"]: each
        for policy in stack.properties(role)["Policies"]
        for each in policy["PolicyDocument"]["Statement"]
    }


def trust(stack: DryStack, role: str) -> dict[str, Any]:
    (statement,) = stack.properties(role)["AssumeRolePolicyDocument"]["Statement"]
    found: dict[str, Any] = statement
    return found


@pytest.mark.parametrize("choice", CHOICES)
def test_choice_is_within_the_limits_of_every_api(choice: str) -> None:
    assert list(problems(deploy(**CHOICES[choice]))) == []


def test_enter_at_every_question_creates_nothing() -> None:
    assert set(deploy().resources) == set()


def test_each_choice_creates_its_resources_only() -> None:
    assert set(deploy(TrustGitHub="yes").resources) == ROLES
    assert set(deploy(TrustedAccountId="210987654321").resources) == {"ReleaseRole"}
    made = set(deploy(**WITH_PIPELINE).resources)
    assert made == {
        "ArtifactBucket", "ArtifactBucketPolicy", "BuildLogGroup", "ChecksSource", "CheckRole",
        "CheckProject", "PublishRole", "PublishProject", "PipelineRole", "Pipeline",
    }  # fmt: skip


def test_pipeline_without_an_image_is_refused() -> None:
    with pytest.raises(RuleError, match="Set AirflowImageUri"):
        deploy(ConnectionArn=CONNECTION)


def test_role_trusts_github_or_an_account() -> None:
    with pytest.raises(RuleError, match="Set TrustGitHub to no"):
        deploy(TrustGitHub="yes", TrustedAccountId="210987654321")


@pytest.mark.parametrize(
    "parameters",
    [
        {"Repository": "my-dags"},
        {"Repository": "my-org/my-dags*"},
        {"Branch": "feature/*"},
        {"Branch": "-main"},
        {"DagFolder": "../dags"},
        {"DagFolder": "dags/"},
        {"ConnectionArn": "arn:aws:iam::123456789012:role/a"},
        {"TrustGitHub": "true"},
        {"TrustedAccountId": "*"},
        {"CpuArchitecture": "arm"},
    ],
    ids=str,
)
def test_illegal_value_is_refused(parameters: dict[str, str]) -> None:
    with pytest.raises(ParameterError, match=next(iter(parameters))):
        _ = deploy(**parameters).parameters


def test_role_of_github_is_for_one_branch_and_that_of_pull_requests_reads() -> None:
    stack = deploy(TrustGitHub="yes", Repository="team/dags", Branch="live")
    for role, subject in (
        ("ReleaseRole", "repo:team/dags:ref:refs/heads/live"),
        ("PreviewRole", "repo:team/dags:pull_request"),
    ):
        assert trust(stack, role)["Condition"] == {
            "StringEquals": {
                "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                "token.actions.githubusercontent.com:sub": subject,
            }
        }
    actions = {
        action
        for each in statements(stack, "PreviewRole").values()
        for action in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])
    }
    assert actions == {"s3:GetObject", "s3:ListBucket"}


def test_checks_may_not_publish() -> None:
    """They run code of the repository."""
    for parameters in (WITH_PIPELINE, CHOICES["everything"]):
        stack = deploy(**parameters)
        assert "dags" not in str(statements(stack, "CheckRole"))
        variables = stack.properties("CheckProject")["Environment"]["EnvironmentVariables"]
        assert "DAG_BUCKET_NAME" not in [each["Name"] for each in variables]


def test_release_in_another_account_uses_its_role_only() -> None:
    publishing = statements(deploy(**CHOICES["elsewhere"]), "PublishRole")
    assert publishing["PublishElsewhere"]["Resource"] == ROLE
    assert "UploadAndReadOutcome" not in publishing


@pytest.mark.parametrize("project", ["CheckProject", "PublishProject"])
@pytest.mark.parametrize(("architecture", "kind"), [("arm64", "ARM"), ("x86-64", "LINUX")])
def test_builds_run_on_the_processor_of_the_image(
    project: str, architecture: str, kind: str
) -> None:
    stack = deploy(**WITH_PIPELINE, CpuArchitecture=architecture)
    assert stack.properties(project)["Environment"]["Type"] == f"{kind}_CONTAINER"


CHANGES: dict[str, tuple[Any, str]] = {
    "one stage": (lambda stages: stages[:1], "Stages are 1, at least 2 are needed"),
    "no source": (lambda stages: stages[1:], "may have source actions only"),
    "late source": (lambda stages: [*stages, {**stages[0], "Name": "Late"}], "only the first may"),
    "same name": (lambda stages: [*stages, stages[2]], "Stages have the name Publish twice"),
    "no action": (lambda stages: [stages[0], {"Name": "Check", "Actions": []}], "has no action"),
    "unknown artifact": (
        lambda stages: [stages[0], changed(stages[1], InputArtifacts=[{"Name": "Other"}])],
        "takes the artifact Other, which no action before makes",
    ),
    "artifact of a later action": (
        lambda stages: [
            stages[0],
            changed(stages[1], InputArtifacts=[{"Name": "Late"}]),
            changed(stages[2], OutputArtifacts=[{"Name": "Late"}]),
        ],
        "takes the artifact Late, which no action before makes",
    ),
    "same artifact": (
        lambda stages: [stages[0], changed(stages[1], OutputArtifacts=[{"Name": "Commit"}])],
        "makes the artifact Commit again",
    ),
    "no artifact": (
        lambda stages: [stages[0], changed(stages[1], InputArtifacts=[])],
        "has 0 InputArtifacts, allowed are 1 to 5",
    ),
    "no project": (
        lambda stages: [stages[0], changed(stages[1], Configuration={})],
        "lacks ProjectName in its configuration",
    ),
    "unknown variable": (
        lambda stages: [
            stages[0],
            changed(
                stages[1],
                Configuration={"ProjectName": "p", "EnvironmentVariables": '["#{Other.Id}"]'},
            ),
        ],
        "uses #{Other.Id}, which no action before has",
    ),
    "variables that are no JSON": (
        lambda stages: [
            stages[0],
            changed(stages[1], Configuration={"ProjectName": "p", "EnvironmentVariables": "[{"}),
        ],
        "EnvironmentVariables that are not valid JSON",
    ),
    "wrong category": (
        lambda stages: [
            stages[0],
            changed(
                stages[1],
                ActionTypeId={
                    "Category": "Deploy", "Owner": "AWS", "Provider": "CodeBuild", "Version": "1",
                },
            ),
        ],
        "has the category Deploy, not Build",
    ),
    "odd name": (lambda stages: [stages[0], {**stages[1], "Name": "a b"}], "a b"),
}  # fmt: skip


def changed(stage: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {**stage, "Actions": [{**stage["Actions"][0], **properties}]}


@pytest.mark.parametrize("change", CHANGES)
def test_pipeline_that_codepipeline_refuses_is_named(change: str) -> None:
    properties = deploy(**WITH_PIPELINE).properties("Pipeline")
    make, expected = CHANGES[change]
    limits = limits_of("AWS::CodePipeline::Pipeline")
    assert limits is not None
    refused = as_on_aws({**properties, "Stages": make(properties["Stages"])})
    assert [each for each in findings(limits, refused) if expected in str(each)]
