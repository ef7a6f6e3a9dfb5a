"""Forges: where pull requests live. One interface, one file per forge."""
