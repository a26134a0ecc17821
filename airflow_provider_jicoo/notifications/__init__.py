"""What tells people what became of a bulk change."""
