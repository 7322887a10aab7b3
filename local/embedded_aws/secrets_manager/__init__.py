"""Secrets Manager: secrets of a template."""
