"""The programs of the build environment, as far as the project's buildspec uses them."""
