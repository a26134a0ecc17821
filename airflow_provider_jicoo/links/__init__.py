"""Links from a task to Jicoo."""
