"""Remove text that looks like a secret before it is shown or stored."""

import re

_HIDDEN = "***"
_SECRETS = (
    # user:password@ in a URL, with any characters in the password: all up to the last @.
    (re.compile(r"://[^\s'\"]*@"), f"://{_HIDDEN}@"),
    # The signature of a presigned URL, such as CloudFormation's.
    (
        re.compile(r"(?i)(X-Amz-(?:Signature|Credential|Security-Token)=)[^\s&'\"]+"),
        rf"\1{_HIDDEN}",
    ),
    # A JSON Web Token, and a text encrypted with a Fernet key.
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), _HIDDEN),
    (re.compile(r"\bgAAAAA[\w=-]{20,}"), _HIDDEN),
    # NAME_PASSWORD=…, "secret_key": "…": the name ends with the word. Not `secret: …`, with which
    # ECS names the secret that it could not read.
    (
        re.compile(
            r"(?i)((?:password|passwd|pwd|secret(?:[_-]?key)?|api[_-]?key|fernet[_-]?key|token"
            r"|access[_-]?key)['\"]?(?:(?<=['\"])\s*:|\s*=)\s*['\"]?)[^\s'\",;&]+"
        ),
        rf"\1{_HIDDEN}",
    ),
    (re.compile(r"(?i)(--(?:conn-)?password[ =]+)\S+"), rf"\1{_HIDDEN}"),
)


def redacted(text: str) -> str:
    """The text without anything that looks like a secret."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
