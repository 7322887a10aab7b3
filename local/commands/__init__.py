"""The commands of one machine: up, down, status, env and local-env."""
