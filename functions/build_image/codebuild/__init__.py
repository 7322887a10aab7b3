"""The image built by CodeBuild: for Debian packages, and for a Dockerfile of the user's own."""
