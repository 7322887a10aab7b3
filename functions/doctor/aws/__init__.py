"""What the doctor reads in the account. It changes nothing."""
