"""What several functions need: settings, custom resources, observability, the release format."""
