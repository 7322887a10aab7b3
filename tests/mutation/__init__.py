"""The suite tested by mutation: each known fault is planted in a copy, and a test has to notice it.

`faults` is one kind of mutant: a text in a file, replaced. Other kinds, such as the removal of each
IAM statement, are packages beside it that also make `Mutant`s; a line of `KINDS` in `__main__` adds
one, and all are run alike.
"""
