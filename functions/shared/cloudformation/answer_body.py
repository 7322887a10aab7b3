"""The body of an answer to CloudFormation, which accepts at most 4,096 bytes."""

import json
from collections.abc import Mapping
from typing import Any

MAX_BODY_BYTES = 4096
_CUT = " […] "


class AnswerTooLargeError(Exception):
    """The answer is too large even without its reason."""


def response_body(fields: Mapping[str, Any], reason: str) -> bytes:
    """The body with as much of the reason as fits.

    A long reason is cut in the middle: it starts with the cause and ends with the last log lines,
    which are more useful than the middle.
    """
    body = _encode(fields, reason)
    if len(body) <= MAX_BODY_BYTES:
        return body
    if len(_encode(fields, _CUT)) > MAX_BODY_BYTES:
        raise AnswerTooLargeError(f"The answer exceeds {MAX_BODY_BYTES} bytes without its reason")
    # A binary search for the largest number of characters that fits: an escaped character takes up
    # to six bytes, so the number cannot be computed from the length.
    fits, too_many = 0, len(reason)
    while too_many - fits > 1:
        kept = (fits + too_many) // 2
        if len(_encode(fields, _shorten(reason, kept))) <= MAX_BODY_BYTES:
            fits = kept
        else:
            too_many = kept
    return _encode(fields, _shorten(reason, fits))


def _shorten(text: str, kept: int) -> str:
    start = kept // 3
    end = kept - start
    return text[:start] + _CUT + (text[-end:] if end else "")


def _encode(fields: Mapping[str, Any], reason: str) -> bytes:
    document = {**fields, "Reason": reason}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
