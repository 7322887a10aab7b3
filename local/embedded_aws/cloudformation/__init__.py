"""CloudFormation: nested stacks, change sets and rollback as AWS does them."""
