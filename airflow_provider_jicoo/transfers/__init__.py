"""Jicoo's bookings, and what belongs to them, into files and databases, and back."""
