"""What stops a rotation."""


class RotationError(Exception):
    """A rotation cannot continue; the text says why. Nothing is broken, and it can be repeated."""
