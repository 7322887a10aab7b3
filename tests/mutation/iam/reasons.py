"""Why no test can notice that a statement is missing, for each of which that is so."""

# The name of the mutant → the reason, with a source.
SURVIVORS: dict[str, str] = {}
