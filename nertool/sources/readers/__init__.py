"""Readers of data files, a module a form."""
