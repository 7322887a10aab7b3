"""Names of metrics that the image and the functions share."""
