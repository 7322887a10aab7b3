"""The monthly bill of an environment, from its sizes, its choices, its work and list prices.

    python -m bench.cost --profile micro [--set Parameter=value] [--workload nightly-2000]

The sizes come from the class table of template.yaml, the number of secrets and alarms from the
templates, the hours of workers from the simulation in bench/scaling, the prices from prices.csv
beside this file. Nothing asks AWS. `profiles` and `environment` read what is deployed, `workloads`
simulates, `prices` is the price table, `bill` and `options` multiply, `mwaa` compares, `report`
prints, and `page` writes docs/cost.md.
"""
