"""Bag students: vectors of a text's pieces and pairs of pieces, summed, and a small FFN."""
