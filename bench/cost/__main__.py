"""Print the monthly bill of a class or profile: python -m bench.cost --profile micro"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.cost.bill import bill, worker_usd_per_hour
from bench.cost.environment import INGRESS_MODES, ROOT, class_names
from bench.cost.mwaa import comparisons
from bench.cost.prices import HOME_REGION, InputError, PriceTable
from bench.cost.profiles import environment_of
from bench.cost.report import report, summary
from bench.cost.workloads import IDLE, NAMES, work_of
from bench.scaling.parameters import InputError as ScalingInputError

ALL = "all"


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.cost", description=__doc__)
    add = parser.add_argument
    add(
        "--profile", "--class", dest="name", default="micro", metavar="NAME",
        help=f"a class, a profile of samconfig.toml, or {ALL}: all classes side by side",
    )  # fmt: skip
    add(
        "--set", dest="settings", action="append", default=[], metavar="PARAMETER=VALUE",
        help="a parameter of the root, such as NetworkMode=single-nat; may be repeated",
    )  # fmt: skip
    add("--workload", default=IDLE, metavar="NAME", help=f"{', '.join(NAMES)}, or nightly-<tasks>")
    add("--region", default=HOME_REGION, help="a region of bench/cost/prices.csv")
    add("--ingress", choices=INGRESS_MODES, help="the same as --set IngressMode=…")
    add("--options", metavar="WORDS", help="the same as --set Options=…")
    add("--template", type=Path, default=ROOT / "template.yaml", metavar="FILE")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    settings = [
        *options.settings,
        *([f"IngressMode={options.ingress}"] if options.ingress else []),
        *([f"Options={options.options}"] if options.options else []),
    ]
    try:
        prices = PriceTable.load(options.region)
        names = class_names(options.template) if options.name == ALL else [options.name]
        bills = []
        for name in names:
            environment = environment_of(name, settings, options.template)
            done = work_of(options.workload, environment.worker)
            bills.append(bill(environment, prices, done))
        if options.name == ALL:
            print(summary(bills))
        else:
            per_hour = worker_usd_per_hour(bills[0].environment, prices)
            compared = comparisons(prices, options.workload)
            print(report(bills[0], prices.region, per_hour, compared))
    except (InputError, ScalingInputError) as error:
        print(f"bench.cost: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
