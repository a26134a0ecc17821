"""Triggers: waiting without holding a worker."""
