"""The seeded faults: mistakes that somebody could make, each with what it would break."""

from tests.mutation.faults import (
    broker,
    codebuild,
    executors,
    functions,
    image,
    image_builder,
    image_gate,
    operations,
    parsing,
    pipelines,
    templates,
)

FAULTS = (
    *templates.FAULTS,
    *functions.FAULTS,
    *image.FAULTS,
    *executors.FAULTS,
    *image_builder.FAULTS,
    *parsing.FAULTS,
    *codebuild.FAULTS,
    *image_gate.FAULTS,
    *broker.FAULTS,
    *operations.FAULTS,
    *pipelines.FAULTS,
)
