"""Ways to order the members of a tier, and to turn several targets into an answer."""
