"""The bucket and the notification topic."""
