"""A command from its validation to its answer: pure logic behind ports."""
