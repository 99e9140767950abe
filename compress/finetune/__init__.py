"""Fine-tune a pretrained model on labeled text."""
