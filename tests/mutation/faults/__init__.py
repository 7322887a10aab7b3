"""The seeded faults: mistakes that somebody could make, each with what it would break."""

from tests.mutation.faults import (
    broker,
    codebuild,
    functions,
    image,
    image_builder,
    image_gate,
    templates,
)

FAULTS = (
    *templates.FAULTS,
    *functions.FAULTS,
    *image.FAULTS,
    *image_builder.FAULTS,
    *codebuild.FAULTS,
    *image_gate.FAULTS,
    *broker.FAULTS,
)
