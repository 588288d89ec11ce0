"""Ways to order the members of a tier."""
