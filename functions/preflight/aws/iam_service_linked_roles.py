"""Service-linked roles in IAM."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from shared.aws.named_errors import error_code, error_message, named_errors
from shared.errors import AwsCallError

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

# IAM is eventually consistent: a role that was just created is looked for until it is seen, for
# twenty seconds at most. After that the deployment continues: the cluster's creation may succeed.
_WAITS_SECONDS = (1, 2, 3, 4, 5, 5)


class IamServiceLinkedRoles:
    def __init__(self, client: "IAMClient", sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._sleep = sleep

    def ensure(self, service: str) -> None:
        with named_errors(f"create the service-linked role of {service}"):
            try:
                answer = self._client.create_service_linked_role(AWSServiceName=service)
            except ClientError as error:
                if _exists_already(error):
                    return
                raise
        self._wait_for(answer.get("Role", {}).get("RoleName", ""))

    def _wait_for(self, role_name: str) -> None:
        for wait in _WAITS_SECONDS if role_name else ():
            try:
                with named_errors("look for the role"):
                    self._client.get_role(RoleName=role_name)
            except AwsCallError:
                self._sleep(wait)
            else:
                return


def _exists_already(error: ClientError) -> bool:
    # IAM says InvalidInput, which may be other mistakes as well; emulators say EntityAlreadyExists.
    if error_code(error) == "EntityAlreadyExists":
        return True
    return error_code(error) == "InvalidInput" and "has been taken" in error_message(error)
