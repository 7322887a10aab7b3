"""Code that several functions use: settings, custom resources, observability, AWS clients."""
