"""Roles: what each one is told, and what each one may see."""
