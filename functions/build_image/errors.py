"""The errors of a build. Each message is what the user reads as the reason of the deployment."""


class ImageBuildError(Exception):
    """The image cannot be built; the message says why and what to do."""


class OutOfTimeError(ImageBuildError):
    """A part of the image takes longer than one call of the function may take."""


class BaseImageError(ImageBuildError):
    """The base image is missing, damaged, or not one that the image can be built on."""


class RegistryError(ImageBuildError):
    """A registry did not answer as it must."""


class PackagesError(ImageBuildError):
    """Packages cannot be installed."""
