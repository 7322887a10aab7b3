"""Draw the recorded metrics of a game day as the dashboard shows them.

.venv/tools/bin/python -m bench.dashboard build/dashboard.json --svg docs/images/dashboard.svg
"""

import argparse
import json
from pathlib import Path

from bench.dashboard.drawing import drawn

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.dashboard", description=__doc__)
    parser.add_argument("recorded", type=Path, nargs="?",
                        default=ROOT / "docs" / "images" / "dashboard.json")  # fmt: skip
    parser.add_argument("--svg", type=Path, default=ROOT / "docs" / "images" / "dashboard.svg")
    chosen = parser.parse_args(arguments)
    chosen.svg.write_text(drawn(json.loads(chosen.recorded.read_text())))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
