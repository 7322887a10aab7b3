"""What the APIs of AWS allow in the properties of resources: one table for tests and emulator.

cfn-lint and the schemas of CloudFormation do not know all of it: EC2 refuses an apostrophe in the
description of a rule, and only when the rule is created. `tables` maps each resource type and
property to its limit, `resources` checks the properties of a resource. Nothing here imports
ministack, so that tests/templates can use it as well.
"""
