"""What stops a rotation."""


class RotationError(Exception):
    """A rotation cannot go on; says why. Nothing is broken by it, and it can be taken up again."""
