"""The checks. Each yields its problems: one sentence that says what is wrong and what to change.

CloudFormation's own checks compare strings: they cannot count, read JSON, or see former values.
All problems are found at once, so that one deployment shows all of them.
"""
