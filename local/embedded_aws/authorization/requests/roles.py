"""IAM: service-linked roles, with their path and `iam:AWSServiceName`; simulations of roles.

ministack 1.5.33 names a role without its path, and knows neither the resource nor the key of
CreateServiceLinkedRole.
"""

from embedded_aws.authorization import engine
from embedded_aws.authorization.requests.request import ApiRequest, Permission


def needs(request: ApiRequest) -> list[Permission] | None:
    if request.operation == "CreateServiceLinkedRole":
        service = request.parameter("AWSServiceName")
        # The name of the role is IAM's choice; the path is known from the service.
        resource = f"arn:aws:iam::{request.account}:role/aws-service-role/{service}/*"
        return [Permission(request.action, resource, {"iam:AWSServiceName": service})]
    if request.operation == "SimulatePrincipalPolicy":
        return [Permission(request.action, request.parameter("PolicySourceArn"))]
    name = request.parameter("RoleName")
    role = engine.role_named(name) if name else None
    return [Permission(request.action, role["Arn"])] if role else None
