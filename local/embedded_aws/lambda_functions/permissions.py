"""AWS::Lambda::Permission: its statement in the record of IAM, whether or not a service uses it."""

from embedded_aws.authorization import record
from embedded_aws.authorization.services import function_policies
from embedded_aws.cloudformation.engine import (
    Created,
    Properties,
    handlers_of,
    logical_path,
)
from embedded_aws.lambda_functions.invocation import function_record
from embedded_aws.settings import Settings


def install(settings: Settings) -> None:
    handlers = handlers_of("AWS::Lambda::Permission")
    stock = handlers["create"]

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        created: Created = stock(logical_id, properties, stack_name)
        found = function_record(properties["FunctionName"])
        if found is not None:
            arn = (found.get("config") or found)["FunctionArn"]
            # The Sid, which CloudFormation makes, holds the logical id.
            policies = function_policies(arn, found["policy"])
            record.note_policies(policies, logical_path(stack_name))
        return created

    handlers["create"] = create
