"""Contract: types that are not emulated are refused before anything is created."""

import pytest
from botocore.exceptions import ClientError

from ..stack_driver import StackDriver


@pytest.mark.parametrize(
    "resource_type",
    ["AWS::NoSuch::Thing", "AWS::CloudFormation::NoSuchThing", "AWS::RDS::DBCluster"],
)
def test_unknown_type_is_refused(stacks: StackDriver, resource_type: str) -> None:
    with pytest.raises(ClientError, match=resource_type):
        stacks.create_named("refused", {"Resources": {"Thing": {"Type": resource_type}}})

    with pytest.raises(ClientError, match="does not exist"):
        stacks.describe("refused")


def test_unknown_type_of_a_nested_template_is_refused(
    stacks: StackDriver,
) -> None:
    child = stacks.upload({"Resources": {"Thing": {"Type": "AWS::NoSuch::Thing"}}})
    nested = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": child}}
    middle = stacks.upload({"Resources": {"Inner": nested}})
    outer = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": middle}}

    with pytest.raises(ClientError, match=r"AWS::NoSuch::Thing \(Thing of "):
        stacks.create_named("refused-too", {"Resources": {"Outer": outer}})

    with pytest.raises(ClientError, match="does not exist"):
        stacks.describe("refused-too")
