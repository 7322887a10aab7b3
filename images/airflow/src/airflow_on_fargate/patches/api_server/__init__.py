"""Patches of the api-server."""
