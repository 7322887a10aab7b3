"""Runs cfn-lint and `sam validate --lint` as their command lines do, all in one process.

Most of a linter's time is its start: it imports its rules and reads AWS's schemas. One process for
each template took eight times as long as this one for all. It is a process of its own because both
tools change global state. Prints a JSON list: a pair of exit code and output for each call.

    python linters.py '[["cfn-lint", "--", "template.yaml"], ["sam", "validate", …]]'
"""

import contextlib
import io
import json
import sys
import traceback
from collections.abc import Callable

from cfnlint.runner import main as cfn_lint
from samcli.cli.main import cli as sam

TOOLS: dict[str, Callable[[], object]] = {"cfn-lint": cfn_lint, "sam": sam}


def call(tool: str, *arguments: str) -> tuple[int, str]:
    """The exit code and the output of one call."""
    sys.argv = [tool, *arguments]
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            TOOLS[tool]()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except Exception:
            traceback.print_exc()
            code = 1
        else:
            code = 0
    return code, output.getvalue()


if __name__ == "__main__":
    print(json.dumps([call(*command) for command in json.loads(sys.argv[1])]))
