"""Every format that two sides share, written once.

The functions write and read these formats on one side, the image's package on the other. The
image links to this folder, so the modules here use only the standard library and relative imports.
"""
