"""The idle monthly bill of an environment class, from its sizes and a table of list prices.

    python -m bench.cost --class micro [--region us-east-1] [--ingress cloudfront] [--x86]

The sizes come from the class table of template.yaml, the number of secrets and alarms from the
templates, the prices from prices.csv beside this file. Nothing asks AWS. `environment` reads the
templates, `prices` the price table, `bill` multiplies, `report` prints.
"""
