"""Boundaries: the places where a person decides, and the server's own record of it."""
