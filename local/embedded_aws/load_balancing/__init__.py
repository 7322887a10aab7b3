"""Elastic Load Balancing: a listener on a port of this machine, and the health of its targets."""
