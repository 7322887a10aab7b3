"""Stack operations as CloudFormation runs them: independent resources side by side.

ministack 1.5.33 creates, updates and deletes the resources of a stack one after the other.
"""
