"""The identifiers of RDS: which are legal. Case does not count."""

import re

_LEGAL = re.compile(r"[A-Za-z](-?[A-Za-z0-9])*")


def problem_of(parameter: str, identifier: str, max_length: int) -> str | None:
    """Why RDS refuses an identifier; None if it does not."""
    if len(identifier) > max_length:
        return f"The parameter {parameter} is longer than {max_length} characters."
    if not _LEGAL.fullmatch(identifier):
        return (
            f"The parameter {parameter} is not a valid identifier. Identifiers must begin with a "
            "letter; must contain only ASCII letters, digits, and hyphens; and must not end with a "
            "hyphen or contain two consecutive hyphens."
        )
    return None
