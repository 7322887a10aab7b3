"""Print the idle monthly bill of an environment class: python -m bench.cost --class micro"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.cost.bill import INGRESS_MODES, bill, comparisons, worker_usd_per_hour
from bench.cost.environment import ROOT, class_names, read_environment
from bench.cost.options import option_lines
from bench.cost.prices import HOME_REGION, InputError, PriceTable
from bench.cost.report import report, summary

ALL = "all"


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.cost", description=__doc__)
    add = parser.add_argument
    add("--class", dest="name", default="micro", metavar="NAME", help=f"or {ALL}: side by side")
    add("--region", default=HOME_REGION, help="a region of bench/cost/prices.csv")
    add("--ingress", default=INGRESS_MODES[0], choices=INGRESS_MODES, help="the IngressMode")
    add("--x86", action="store_true", help="with the word x86 in Options; ARM otherwise")
    add("--options", default="", metavar="WORDS", help="words of Options, with commas between")
    add("--template", type=Path, default=ROOT / "template.yaml", metavar="FILE")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    try:
        prices = PriceTable.load(options.region)
        names = class_names(options.template) if options.name == ALL else [options.name]
        words = [word for word in options.options.split(",") if word]
        bills = []
        for name in names:
            environment = read_environment(name, options.template)
            lines = bill(environment, prices, options.ingress, options.x86 or "x86" in words)
            bills.append((environment, [*lines, *option_lines(words, environment, prices)]))
        if options.name == ALL:
            print(summary(bills))
        else:
            environment, lines = bills[0]
            per_hour = worker_usd_per_hour(environment, prices, options.x86)
            print(report(environment, lines, prices.region, per_hour, comparisons(prices)))
    except InputError as error:
        print(f"bench.cost: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
