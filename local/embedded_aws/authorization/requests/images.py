"""ECR: the findings of Inspector are read by ECR in the name of the caller.

So in a registry with enhanced scanning the caller needs Inspector's permissions as well, and has
them with `aws:ViaAWSService`:
https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-enhanced-iam.html
"""

from embedded_aws.authorization.requests.request import ApiRequest, Permission
from embedded_aws.ecr.scans import is_enhanced

_OF_INSPECTOR = ("inspector2:ListFindings", "inspector2:ListCoverage")


def needs(request: ApiRequest) -> list[Permission] | None:
    name = str(request.body.get("repositoryName") or "")
    if request.operation != "DescribeImageScanFindings" or not is_enhanced(name):
        return None
    via_ecr = {"aws:ViaAWSService": "true"}
    return [
        Permission(request.action, request.stock_resource),
        *(Permission(action, "*", via_ecr) for action in _OF_INSPECTOR),
    ]
