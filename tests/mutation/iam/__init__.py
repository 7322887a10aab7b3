"""Each IAM statement of the templates removed in turn, and each action of a statement with several.

Roles, trust policies, policies of queues, buckets and keys, and the permissions of functions: what
is written in a template is found there, so a new statement is a new mutant. `check` judges most of
them in seconds: a call that is known to be made is then refused.
"""

from collections.abc import Sequence

from tests.mutation.iam.statements import IAM, StatementMutant
from tests.mutation.mutant import Mutant

__all__ = ["IAM", "noticed_by_calls"]


def noticed_by_calls(mutants: Sequence[Mutant]) -> dict[str, str]:
    """The mutants without which a known call gets another answer → that call."""
    # It reads every template and starts the evaluation of the embedded AWS.
    from tests.mutation.iam.check import noticed

    return noticed([each for each in mutants if isinstance(each, StatementMutant)])
