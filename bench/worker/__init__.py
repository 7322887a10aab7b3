"""What a worker costs: from its start to its first message, and the memory of its slots."""
