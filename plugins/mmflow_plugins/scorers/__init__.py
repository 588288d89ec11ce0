"""Ways to score an answer."""
