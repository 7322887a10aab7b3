"""The commands of `make`: up, down, status, env, local-env and browser."""
