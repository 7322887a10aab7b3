"""Command tasks, their logs and records, and the services that an upgrade stops."""
