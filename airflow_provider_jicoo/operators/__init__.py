"""Operators: one for each call of Jicoo's API."""
