"""The command line: options out of dataclasses, configuration files, tables, messages."""
