"""python -m bench.first_run --rounds 3 [--json OUT]

Measures `airflow standalone` and `make up` alternately, each in an empty folder: from the command
until the first success of the same DAG is seen, by the same client. `make up` then runs to its end.
Both use the installed environments, so nothing is downloaded ("warm"); `make up` builds and deploys
everything. Each round takes some three minutes, and nothing else should run on the machine.

Runs in the tools environment (make bench-first-run).
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from bench.first_run import make_up, standalone
from bench.first_run.report import Round, table, targets


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.first_run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rounds: list[Round] = []
    for _ in range(arguments.rounds):
        rounds.append(_round())
        print(json.dumps(rounds[-1].as_document()), file=sys.stderr, flush=True)
    print(table(rounds))
    print()
    print("\n".join(targets(rounds)))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        documents = [each.as_document() for each in rounds]
        arguments.json.write_text(json.dumps(documents, indent=1) + "\n")
    return 0


def _round() -> Round:
    with tempfile.TemporaryDirectory(prefix="bench-first-run-") as name:
        folder = Path(name)
        # PostgreSQL runs as another user where root runs this.
        folder.chmod(0o755)
        (folder / "standalone").mkdir()
        first_load = os.getloadavg()[0]
        peer = standalone.measure(folder / "standalone")
        second_load = os.getloadavg()[0]
        up = make_up.measure(folder / "up")
    return Round(peer, up, (first_load, second_load))


if __name__ == "__main__":
    sys.exit(main())
