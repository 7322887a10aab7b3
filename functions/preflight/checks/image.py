"""The image: what applies only to the one that the stack builds."""

from collections.abc import Iterator

from preflight.parameters import Parameters

_WORDS = ("refuse-critical", "refuse-high")
_CODEBUILD = "codebuild"


def image_problems(parameters: Parameters) -> Iterator[str]:
    given = parameters.optional_text("ImageUri")
    for word in _WORDS:
        if given and word in parameters.items("Options"):
            yield (
                f"Options contains {word}, but AirflowImageUri names an image of your own, whose "
                "scan the stack does not read: refuse it where you push it, and leave the word out."
            )
    if given and _CODEBUILD in parameters.items("Options"):
        yield (
            f"Options contains {_CODEBUILD}, but AirflowImageUri names an image of your own, so "
            "the stack builds none: leave the word or AirflowImageUri out."
        )
