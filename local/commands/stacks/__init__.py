"""The stacks of this machine: which one a command means, and which ports they use."""
