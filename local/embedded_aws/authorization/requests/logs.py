"""CloudWatch Logs: the ARN of a log group in a request ends with `:log-stream:` and the stream.

So a policy needs `log-group:NAME:*`, which is what Fn::GetAtt returns. ministack 1.5.33 leaves the
stream out, and `log-group:NAME:*` would never match.
"""

from embedded_aws.authorization.requests.request import ApiRequest, Permission


def needs(request: ApiRequest) -> list[Permission] | None:
    group = request.body.get("logGroupName")
    if not group:
        identifier = str(request.body.get("logGroupIdentifier") or "")
        group = identifier.partition(":log-group:")[2] or identifier
    if not group:
        return None
    on_stream = request.operation in ("PutLogEvents", "GetLogEvents", "DeleteLogStream")
    stream = request.body.get("logStreamName", "") if on_stream else ""
    return [Permission(request.action, stream_arn(request.region, request.account, group, stream))]


def stream_arn(region: str, account: str, group: str, stream: str = "") -> str:
    return f"arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:{stream}"
