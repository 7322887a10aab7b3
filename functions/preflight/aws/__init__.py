"""What the preflight reads and creates in the account."""
