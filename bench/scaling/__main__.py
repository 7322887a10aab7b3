"""One run: policies side by side on the same tasks, a record for each policy and seed."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.scaling.parameters import Faults, InputError, Parameters
from bench.scaling.records import POLICY_NAMES, simulate
from bench.scaling.tables import records_table
from bench.scaling.workloads import DEFAULT_QUEUE, WORKLOADS, Workload, read_trace, workload

_DEFAULTS = Parameters()
_FAULTS = Faults()


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--workload", metavar="NAME", help=", ".join(WORKLOADS))
    source.add_argument(
        "--trace", metavar="FILE.csv", type=Path, help="columns arrival_s,duration_s,queue"
    )
    add = parser.add_argument
    add("--policy", nargs="+", default=["ours"], metavar="NAME", help=", ".join(POLICY_NAMES))
    add("--seed", nargs="+", type=int, default=[1], metavar="N")
    add("--concurrency", type=int, default=_DEFAULTS.concurrency, metavar="C")
    add("--launch-median", type=float, default=_DEFAULTS.launch_median, metavar="S")
    add("--min", type=int, default=_DEFAULTS.minimum, metavar="N", help="minimum number of workers")
    add("--max", type=int, default=_DEFAULTS.maximum, metavar="N", help="maximum number of workers")
    add("--metric-lag", type=float, default=_DEFAULTS.metric_lag, metavar="S")
    add("--idle-timeout", type=float, default=_DEFAULTS.idle_timeout, metavar="S")
    add("--spot-share", type=int, default=_DEFAULTS.spot_share, metavar="PERCENT")
    add("--queue", action="append", metavar="NAME", help="a queue of the trace; may be repeated")
    for name, value in vars(_FAULTS).items():
        add(f"--{name.replace('_', '-')}", type=float, default=value, metavar="X")
    add("--json", type=Path, metavar="OUT", help="file for the records")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    try:
        parameters = Parameters(
            concurrency=options.concurrency,
            minimum=options.min,
            maximum=options.max,
            launch_median=options.launch_median,
            metric_lag=options.metric_lag,
            idle_timeout=options.idle_timeout,
            spot_share=options.spot_share,
            faults=Faults(**{name: getattr(options, name) for name in vars(_FAULTS)}),
        )
        records = [
            simulate(_workload(options, seed), policy, parameters, seed).record
            for seed in options.seed
            for policy in options.policy
        ]
        if options.json:
            options.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    except InputError as error:
        print(f"bench.scaling: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"bench.scaling: the records cannot be written: {error}", file=sys.stderr)
        return 2
    print(records_table(records))
    return 0


def _workload(options: argparse.Namespace, seed: int) -> Workload:
    if options.trace:
        return read_trace(options.trace, options.queue or [DEFAULT_QUEUE])
    return workload(options.workload, seed)


if __name__ == "__main__":
    raise SystemExit(main())
