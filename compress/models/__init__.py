"""A teacher's folder: open it, know its architecture, tokenizer, weights and adapters."""
