"""Search: choose depth, width, vocabulary and precision by measuring, instead of by hand."""
