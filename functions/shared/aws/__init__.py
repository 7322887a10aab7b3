"""AWS clients and adapters that several functions use."""
