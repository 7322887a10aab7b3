"""Refuse a deployment that cannot succeed, before anything is created or changed."""
