"""Decisions on calls that nothing made: `python -m embedded_aws.authorization.decide < CALLS`.

Reads a JSON list of calls, each with the policies to decide by, and prints a list of Allow, Deny
and ImplicitDeny. The tests of the templates ask it whether a call would be allowed on AWS.
"""

import json
import sys
from typing import Any

from embedded_aws.authorization import engine

_SECURE = "aws:securetransport"
_ACCOUNT = "aws:principalaccount"


def decide(call: dict[str, Any]) -> str:
    """Decide on one call, by the policies of its role or of its resource."""
    context = dict(call["context"])
    principal = call["principal"] or "arn:aws:sts::000000000000:assumed-role/caller/session"
    secure, account = context.pop(_SECURE, "true"), context.pop(_ACCOUNT, "")
    evaluation = engine.context_of(
        principal, call["action"], call["resource"], context, region="us-east-1"
    )
    evaluation.secure_transport = secure == "true"
    if account:
        evaluation.principal_account = account
    if call["kind"] == "identity":
        parsed = [engine.parse(document) for document in call["documents"].values()]
        return str(engine.stock.evaluate(evaluation, parsed).decision)
    answers = [
        str(engine.stock.evaluate_resource_policy(document, evaluation, service=principal).decision)
        for document in call["documents"].values()
    ]
    return answers[0] if answers else "ImplicitDeny"


def main() -> int:
    json.dump([decide(call) for call in json.load(sys.stdin)], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
