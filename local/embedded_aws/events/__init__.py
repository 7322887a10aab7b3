"""EventBridge: the targets of rules, and schedules."""
