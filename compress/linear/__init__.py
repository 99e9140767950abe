"""Linear students: hashed n-grams of a text to the logits of its classes."""
