"""Contract: conditions evaluate the functions that CloudFormation evaluates in them."""

import pytest
from botocore.exceptions import ClientError

from ..stack_driver import StackDriver

TEMPLATE = """
Parameters:
  Options: {Type: String, Default: ""}
  Class: {Type: String, Default: small}
  Names: {Type: String, Default: ""}
Mappings:
  Classes:
    small: {Shape: compact}
    large: {Shape: separate}
Conditions:
  HasRedis: !Not [!Equals [!Join ['', !Split [redis, !Ref Options]], !Ref Options]]
  IsCompact: !Equals [!FindInMap [Classes, !Ref Class, Shape], compact]
  HasSecond: !Not [!Equals [!Select [1, !Split [',', !Sub '${Names},,']], '']]
  IsHere: !Equals [!Ref AWS::Region, us-east-1]
  IsBoth: !And [!Condition IsCompact, !Condition IsHere]
Resources:
  Queue: {Type: AWS::SQS::Queue}
Outputs:
  Redis: {Value: !If [HasRedis, 'yes', 'no']}
  Compact: {Value: !If [IsCompact, 'yes', 'no']}
  Second: {Value: !If [HasSecond, 'yes', 'no']}
  Both: {Value: !If [IsBoth, 'yes', 'no']}
"""


def test_every_function_is_evaluated(stacks: StackDriver) -> None:
    stack = stacks.create(TEMPLATE)

    assert stack.outputs == {"Redis": "no", "Compact": "yes", "Second": "no", "Both": "yes"}


def test_an_update_evaluates_conditions_with_the_new_parameters(stacks: StackDriver) -> None:
    stack = stacks.create(TEMPLATE)

    stack = stacks.update(stack, TEMPLATE, Options="x,redis", Class="large", Names="a,b")

    assert stack.outputs == {"Redis": "yes", "Compact": "no", "Second": "yes", "Both": "no"}


def test_a_condition_on_a_resource_is_refused(stacks: StackDriver) -> None:
    broken = TEMPLATE.replace("[!Ref AWS::Region, us-east-1]", "[!Ref Queue, us-east-1]")

    with pytest.raises(ClientError, match="Cannot reference resources in the Conditions block"):
        stacks.create(broken)
