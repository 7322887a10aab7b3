"""The seeded faults: mistakes that somebody could make, each with what it would break."""

from tests.mutation.faults import (
    codebuild,
    functions,
    image,
    image_builder,
    image_gate,
    parsing,
    templates,
)

FAULTS = (
    *templates.FAULTS,
    *functions.FAULTS,
    *image.FAULTS,
    *image_builder.FAULTS,
    *parsing.FAULTS,
    *codebuild.FAULTS,
    *image_gate.FAULTS,
)
