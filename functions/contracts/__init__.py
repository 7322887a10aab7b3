"""Every format, name and list that the functions and the image share, written once.

The image's package links to this folder, so the modules here use only the standard library and
relative imports.
"""
