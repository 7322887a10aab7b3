"""Programs that run with the interpreter of the image, so they import nothing of this package."""
