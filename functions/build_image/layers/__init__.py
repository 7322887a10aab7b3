"""The layers of the image: what is in each, and how a layer is written."""
