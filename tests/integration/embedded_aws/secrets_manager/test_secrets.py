"""Contract: Ref of a secret is its ARN; values are generated as declared, and stay."""

import base64
import json
import re
import string
from typing import Any

import pytest

from ..stack_driver import Stack, StackDriver


def secret(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SecretsManager::Secret", "Properties": properties}


def value(stacks: StackDriver, stack: Stack, logical_id: str) -> str:
    answer = stacks.aws.client("secretsmanager").get_secret_value(
        SecretId=stacks.physical_id(stack, logical_id)
    )
    return str(answer["SecretString"])


def deploy_one(stacks: StackDriver, **generate: Any) -> str:
    stack = stacks.create({"Resources": {"Secret": secret(GenerateSecretString=generate)}})
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    return value(stacks, stack, "Secret")


def test_ref_of_a_secret_is_its_arn(stacks: StackDriver) -> None:
    stack = stacks.create(
        {
            "Resources": {"Secret": secret(SecretString="x")},
            "Outputs": {"Ref": {"Value": {"Ref": "Secret"}}},
        }
    )

    described = stacks.aws.client("secretsmanager").describe_secret(SecretId=stack.outputs["Ref"])
    assert stack.outputs["Ref"] == described["ARN"]
    assert re.fullmatch(r"arn:aws:secretsmanager:us-east-1:\d{12}:secret:.+", described["ARN"])


def test_generated_password_excludes_punctuation(stacks: StackDriver) -> None:
    password = deploy_one(stacks, PasswordLength="200", ExcludePunctuation="true")

    assert len(password) == 200
    assert set(password) <= set(string.ascii_letters + string.digits)


def test_generated_password_excludes_characters(stacks: StackDriver) -> None:
    password = deploy_one(stacks, PasswordLength=300, ExcludeCharacters="/@\"' %:")

    assert not set(password) & set("/@\"' %:")
    assert set(password) & set(string.punctuation)


def test_password_is_put_under_its_key(stacks: StackDriver) -> None:
    text = deploy_one(
        stacks,
        SecretStringTemplate='{"username": "airflow"}',
        GenerateStringKey="password",
        PasswordLength=40,
    )

    parsed = json.loads(text)
    assert parsed["username"] == "airflow"
    assert len(parsed["password"]) == 40


def test_dynamic_references_are_resolved_inside_a_sub(stacks: StackDriver) -> None:
    raw = secret(GenerateSecretString={"PasswordLength": 43, "ExcludePunctuation": True})
    stack = stacks.create(
        {
            "Resources": {
                "Raw": raw,
                "Fernet": secret(SecretString={"Fn::Sub": "{{resolve:secretsmanager:${Raw}}}="}),
                "Pair": secret(SecretString='{"user": "a", "password": "b c"}'),
                "Url": secret(
                    SecretString={
                        "Fn::Sub": "db://{{resolve:secretsmanager:${Pair}:SecretString:password}}"
                    }
                ),
            }
        }
    )

    fernet_key = value(stacks, stack, "Fernet")
    assert fernet_key == value(stacks, stack, "Raw") + "="
    assert len(base64.urlsafe_b64decode(fernet_key)) == 32
    assert value(stacks, stack, "Url") == "db://b c"


def test_value_stays_when_an_update_does_not_change_the_definition(stacks: StackDriver) -> None:
    generated = secret(GenerateSecretString={"PasswordLength": 30})
    stack = stacks.create({"Resources": {"Secret": generated}})
    before = value(stacks, stack, "Secret")
    generated["Properties"]["Description"] = "now with a description"

    template = {"Resources": {"Secret": generated, "Queue": {"Type": "AWS::SQS::Queue"}}}
    assert stacks.update(stack, template).status == "UPDATE_COMPLETE"

    assert value(stacks, stack, "Secret") == before


def test_value_changes_when_the_definition_changes(stacks: StackDriver) -> None:
    stack = stacks.create(
        {"Resources": {"Secret": secret(GenerateSecretString={"PasswordLength": 30})}}
    )
    arn = stacks.physical_id(stack, "Secret")

    changed = {"Resources": {"Secret": secret(GenerateSecretString={"PasswordLength": 31})}}
    assert stacks.update(stack, changed).status == "UPDATE_COMPLETE"

    assert len(value(stacks, stack, "Secret")) == 31
    assert stacks.physical_id(stack, "Secret") == arn


def test_deletion_of_a_stack_deletes_its_secret(stacks: StackDriver) -> None:
    client = stacks.aws.client("secretsmanager")
    stack = stacks.create({"Resources": {"Secret": secret(SecretString="x")}})
    arn = stacks.physical_id(stack, "Secret")

    stacks.delete(stack)

    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.describe_secret(SecretId=arn)
