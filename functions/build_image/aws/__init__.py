"""Adapters: ECR, registries of base images, and the function itself."""
