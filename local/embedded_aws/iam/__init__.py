"""IAM: what a template needs of roles and policies."""
