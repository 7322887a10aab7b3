"""AWS::SecretsManager::Secret: its Ref, and passwords as Secrets Manager generates them.

On AWS `Ref` is the ARN, and GenerateSecretString is GetRandomPassword with all its options,
evaluated once: an update that does not change the definition does not change the value. ministack
1.5.33 returns the name, supports PasswordLength and ExcludeCharacters only, and uses a generator
that is not meant for secrets.
"""

import json
from typing import Any

from ministack.services import secretsmanager
from ministack.services.cloudformation import provisioners

from embedded_aws.cloudformation.engine import (
    Attributes,
    Created,
    Properties,
    handlers_of,
    register,
)
from embedded_aws.settings import Settings

RESOURCE_TYPE = "AWS::SecretsManager::Secret"
_NUMBERS = ("PasswordLength",)
_SWITCHES = (
    "ExcludeLowercase",
    "ExcludeNumbers",
    "ExcludePunctuation",
    "ExcludeUppercase",
    "IncludeSpace",
    "RequireEachIncludedType",
)


def install(settings: Settings) -> None:
    stock = dict(handlers_of(RESOURCE_TYPE))
    provisioners._sm_secret_string = secret_string

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        return _by_arn(stock["create"](logical_id, properties, stack_name))

    def update(
        arn: str, old: Properties, new: Properties, stack_name: str, logical_id: str
    ) -> Created:
        return _by_arn(stock["update"](_name(arn), old, new, stack_name, logical_id))

    def delete(arn: str, properties: Properties) -> None:
        stock["delete"](_name(arn), properties)

    register(RESOURCE_TYPE, create, delete, update)


def secret_string(properties: Properties) -> str:
    """The value that a template declares: given, or generated."""
    if "SecretString" in properties:
        return str(properties["SecretString"])
    definition = properties.get("GenerateSecretString")
    if definition is None:
        return ""
    password = _random_password(definition)
    template, key = definition.get("SecretStringTemplate"), definition.get("GenerateStringKey")
    if template is None and key is None:
        return password
    if template is None or key is None:
        raise ValueError("SecretStringTemplate and GenerateStringKey need each other")
    return json.dumps({**json.loads(template), key: password})


def _random_password(definition: Properties) -> str:
    request: dict[str, Any] = {name: definition[name] for name in definition}
    request.update({name: int(request[name]) for name in _NUMBERS if name in request})
    request.update({name: _is_true(request[name]) for name in _SWITCHES if name in request})
    status, _headers, body = secretsmanager._get_random_password(request)
    answer = json.loads(body)
    if status >= 400:
        raise ValueError(f"GenerateSecretString: {answer.get('message') or answer}")
    return str(answer["RandomPassword"])


def _is_true(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


def _by_arn(created: Created) -> Created:
    _name_of_ministack, attributes = created
    return str(attributes["Id"]), Attributes(attributes)


def _name(arn: str) -> str:
    """The key under which ministack keeps the secret. A deleted secret has none: the ARN does."""
    for name, secret in secretsmanager._secrets.items():
        if secret["ARN"] == arn:
            return str(name)
    return arn
