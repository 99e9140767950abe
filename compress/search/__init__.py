"""Search: choose depth, width, vocabulary and precision by measurements."""
