"""Column files of tokens and tags: read, check, repair, cut at the model's length; and how running text is cut."""
