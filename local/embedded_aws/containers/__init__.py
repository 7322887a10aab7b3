"""Containers as local processes, in place of Docker."""
