"""The commands of `make`: up, down, status, env and browser."""
