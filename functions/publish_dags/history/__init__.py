"""Releases after they were published: promotion, history, removal."""
