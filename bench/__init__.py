"""Benchmarks: what the product claims, measured by programs that anybody can run."""
