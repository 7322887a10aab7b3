"""One command from its validation to the answer: pure logic behind ports."""
