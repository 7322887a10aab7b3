"""Lambda: the role that a function is given, and layers by their ARN."""

from embedded_aws.authorization.requests import pass_role
from embedded_aws.authorization.requests.request import ApiRequest, Permission

_GIVE_A_ROLE = ("CreateFunction", "UpdateFunctionConfiguration")


def needs(request: ApiRequest) -> list[Permission] | None:
    if request.operation == "ListLayers" and request.parameter("find") == "LayerVersion":
        # GetLayerVersionByArn has the path of the list, and the permission of GetLayerVersion.
        return [Permission("lambda:GetLayerVersion", request.parameter("Arn"))]
    role = request.body.get("Role") if request.operation in _GIVE_A_ROLE else None
    if not role:
        return None
    name = request.body.get("FunctionName")
    resource = request.arn("lambda", f"function:{name}") if name else request.stock_resource
    return [
        Permission(request.action, resource),
        pass_role.permission(role, pass_role.FUNCTIONS),
    ]
