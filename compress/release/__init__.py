"""What a release needs beside the model: checks, signatures, a model card, a bill of materials."""
