"""Refuse impossible parameters before anything is created."""
