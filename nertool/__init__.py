"""nertool: from published data to a small INT8 token-classification model, in one workspace directory."""
