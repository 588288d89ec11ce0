"""Ways to sort a request."""
