"""Making INT8 models: which to try, how to build and judge them, which to keep."""
