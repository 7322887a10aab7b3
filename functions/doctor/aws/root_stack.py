"""The state of the root stack."""

from typing import TYPE_CHECKING

from shared.aws.named_errors import named_errors

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient


class RootStack:
    def __init__(self, client: "CloudFormationClient", name: str) -> None:
        self._client = client
        self._name = name

    def status(self) -> str:
        with named_errors("describe the stack"):
            return self._client.describe_stacks(StackName=self._name)["Stacks"][0]["StackStatus"]
