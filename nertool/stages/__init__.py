"""download -> preprocess -> labels -> train -> evaluate -> quantize -> predict, one module each."""
