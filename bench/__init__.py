"""Benchmarks: programs that measure what the project claims."""
