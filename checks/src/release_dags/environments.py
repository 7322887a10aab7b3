"""An environment: the bucket of its releases, and what its stack says about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.dag_bucket import RELEASE_PREFIX
from publish_dags.aws.s3_release_store import S3ReleaseStore

_BUCKET = "DagBucketName"


class ReleaseError(Exception):
    """What was asked for did not happen; the text says why."""


@dataclass(frozen=True)
class Environment:
    """`parameters` and `outputs` are those of the stack; empty where only the bucket is known."""

    name: str
    s3: Any
    bucket: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def releases(self) -> S3ReleaseStore:
        return S3ReleaseStore(self.s3, self.bucket, RELEASE_PREFIX)


def environment_of_stack(stack: str, profile: str = "") -> Environment:
    """The environment of a stack, with the credentials of a profile of the AWS CLI.

    Raises:
        ReleaseError: there is no such stack here, or it is not one of this project.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        session = boto3.session.Session(profile_name=profile or None)
        (found,) = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except (BotoCoreError, ClientError) as error:
        raise ReleaseError(f"The stack {stack} cannot be read: {error}") from error
    outputs = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}
    if _BUCKET not in outputs:
        raise ReleaseError(f"The stack {stack} has no output {_BUCKET}: name the root stack")
    parameters = {
        each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", [])
    }
    return Environment(stack, session.client("s3"), outputs[_BUCKET], parameters, outputs)


def client_of_stacks() -> Any:
    """A client of CloudFormation.

    Raises:
        ReleaseError: no region, or no such profile, is configured.
    """
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        return boto3.session.Session().client("cloudformation")
    except BotoCoreError as error:
        raise ReleaseError(f"CloudFormation cannot be asked: {error}") from error


def environment_of_bucket(bucket: str, role: str = "") -> Environment:
    """An environment of which only the bucket is known: that is all that an upload needs.

    Raises:
        ReleaseError: the role cannot be assumed.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    session = boto3.session.Session()
    if role:
        try:
            answer = session.client("sts").assume_role(RoleArn=role, RoleSessionName="release-dags")
        except (BotoCoreError, ClientError) as error:
            raise ReleaseError(f"The role {role} cannot be assumed: {error}") from error
        found = answer["Credentials"]
        session = boto3.session.Session(
            found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"]
        )
    return Environment(bucket, session.client("s3"), bucket)
