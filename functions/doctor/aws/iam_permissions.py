"""What a role's policies allow, as IAM itself evaluates them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.aws.named_errors import named_errors

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


class IamPermissions:
    def __init__(self, client: "IAMClient") -> None:
        self._client = client

    def denied(self, role_arn: str, actions: Sequence[str], resource: str) -> Sequence[str]:
        role = role_arn.rpartition("/")[2]
        with named_errors(f"ask what {role} may do"):
            answer = self._client.simulate_principal_policy(
                PolicySourceArn=role_arn, ActionNames=list(actions), ResourceArns=[resource]
            )
        return [
            result["EvalActionName"]
            for result in answer["EvaluationResults"]
            if result["EvalDecision"] != "allowed"
        ]
