"""Keeps count of what is in the larder."""
