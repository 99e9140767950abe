"""A teacher's folder: its architecture, tokenizer, weights and adapters."""
