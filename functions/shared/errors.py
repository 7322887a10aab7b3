"""The error that adapters raise for a failed AWS call: the logic needs no botocore to catch it."""


class AwsCallError(Exception):
    """AWS refused a call or could not be reached. The message says what was tried."""


class AccessDeniedError(AwsCallError):
    """The function's role may not make this call, or not yet: IAM is eventually consistent."""
