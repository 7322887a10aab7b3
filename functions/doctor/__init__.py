"""Checks a deployment from inside and says what to do about what it finds."""
