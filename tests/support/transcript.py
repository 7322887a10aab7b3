"""Stands in for the steps of `make up` where a test deploys by itself."""


class Transcript:
    """What deployments say, for a failing test's output."""

    def detail(self, text: str) -> None:
        print(text)
