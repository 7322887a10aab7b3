"""KMS: resources that are encrypted with a key of the account."""
