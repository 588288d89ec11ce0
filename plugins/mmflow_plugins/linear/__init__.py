"""Linear models of text: their features, and the files that hold them."""
