"""CodeBuild: a build belongs to its project, which is the resource of every action on it."""

from embedded_aws.authorization.requests.request import ApiRequest, Permission


def needs(request: ApiRequest) -> list[Permission] | None:
    ids = request.body.get("ids") or [request.body.get("id")]
    projects = [str(one).rpartition(":build/")[2].partition(":")[0] for one in ids if one]
    if name := request.body.get("projectName"):
        projects = [str(name)]
    return [
        Permission(request.action, request.arn("codebuild", f"project/{project}"))
        for project in dict.fromkeys(projects)
    ]
