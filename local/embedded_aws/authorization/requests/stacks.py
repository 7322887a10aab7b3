"""CloudFormation: a stack that is named is decided on by its id."""

from embedded_aws.authorization.requests.request import ApiRequest, Permission
from embedded_aws.cloudformation.engine import stack_named


def needs(request: ApiRequest) -> list[Permission] | None:
    name = request.parameter("StackName")
    stack = stack_named(name) if name and not name.startswith("arn:") else None
    return [Permission(request.action, stack["StackId"])] if stack else None
