"""Service-linked roles in IAM."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from shared.aws.named_errors import error_code, error_message, named_errors

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


class IamServiceLinkedRoles:
    def __init__(self, client: "IAMClient") -> None:
        self._client = client

    def ensure(self, service: str) -> None:
        with named_errors(f"create the service-linked role of {service}"):
            try:
                self._client.create_service_linked_role(AWSServiceName=service)
            except ClientError as error:
                if not _exists_already(error):
                    raise


def _exists_already(error: ClientError) -> bool:
    # IAM says InvalidInput, which may be other mistakes as well; emulators say EntityAlreadyExists.
    if error_code(error) == "EntityAlreadyExists":
        return True
    return error_code(error) == "InvalidInput" and "has been taken" in error_message(error)
