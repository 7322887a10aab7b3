"""Replaces the steps of `make up` in tests that deploy themselves."""


class Transcript:
    """The messages of deployments, for the output of a failing test."""

    def detail(self, text: str) -> None:
        print(text)
