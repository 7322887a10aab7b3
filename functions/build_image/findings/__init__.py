"""What ECR's scan found in the image, what of it is accepted, and whether the image is used."""
