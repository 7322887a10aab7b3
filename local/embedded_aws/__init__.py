"""The embedded AWS: the AWS services this project uses, as local processes without Docker."""
