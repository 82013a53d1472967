"""The page that `evaluate` writes, and its plots."""
