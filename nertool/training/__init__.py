"""Fine-tuning: examples, batches, checkpoints, search, the model card."""
