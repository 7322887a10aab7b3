"""What this image adds to the API server."""
