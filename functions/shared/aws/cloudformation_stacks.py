"""Stacks in CloudFormation."""

from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from shared.aws.named_errors import named_errors
from shared.errors import AwsCallError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient


class CloudFormationStacks:
    def __init__(self, client: "CloudFormationClient", logger: Logger) -> None:
        self._client = client
        self._logger = logger

    def is_rolling_back(self, stack_id: str) -> bool:
        try:
            with named_errors("look at the stack"):
                stacks = self._client.describe_stacks(StackName=stack_id)["Stacks"]
        except AwsCallError:
            # What is wrong is then reported as in any other update.
            self._logger.exception("Could not tell whether the stack is rolling back")
            return False
        return any(stack["StackStatus"] == "UPDATE_ROLLBACK_IN_PROGRESS" for stack in stacks)
