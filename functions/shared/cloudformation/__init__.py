"""Custom resources: requests from CloudFormation and the answers to them."""
