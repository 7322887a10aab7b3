"""The translation of botocore's errors."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from shared.aws.named_errors import named_errors
from shared.errors import AwsCallError


class GoneError(AwsCallError):
    pass


def failing(code):
    return ClientError({"Error": {"Code": code, "Message": "It is so."}}, "GetThing")


def test_raises_the_named_error_when_the_code_has_a_name():
    with (
        pytest.raises(GoneError, match=r"Could not get it: NoSuchThing: It is so\."),
        named_errors("get it", {"NoSuchThing": GoneError}),
    ):
        raise failing("NoSuchThing")


def test_raises_the_general_error_when_the_code_has_no_name():
    with pytest.raises(AwsCallError) as caught, named_errors("get it", {"NoSuchThing": GoneError}):
        raise failing("Throttling")
    assert type(caught.value) is AwsCallError


def test_raises_the_general_error_when_aws_cannot_be_reached():
    with (
        pytest.raises(AwsCallError, match="Could not get it: Could not connect"),
        named_errors("get it"),
    ):
        raise EndpointConnectionError(endpoint_url="https://nowhere.example")


def test_does_not_translate_other_errors():
    with pytest.raises(ZeroDivisionError), named_errors("get it"):
        raise ZeroDivisionError
