"""What models say of rows: one way for every model, kept by what decides it, and compared."""
