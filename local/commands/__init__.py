"""The commands of one machine: up, down, status and env."""
