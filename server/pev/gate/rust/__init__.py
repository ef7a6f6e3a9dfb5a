"""Rust: what its files show, its tool chain, and the checks that run it."""
