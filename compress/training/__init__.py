"""The training loop that all stages share, its batches and checkpoints."""
