"""Containers in podman, with the limits and rights that the task definition gives them."""
