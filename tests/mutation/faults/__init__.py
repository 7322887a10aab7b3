"""The seeded faults: mistakes that somebody could make, each with what it would break."""

from tests.mutation.faults import functions, image, image_builder, parsing, templates

FAULTS = (
    *templates.FAULTS,
    *functions.FAULTS,
    *image.FAULTS,
    *image_builder.FAULTS,
    *parsing.FAULTS,
)
