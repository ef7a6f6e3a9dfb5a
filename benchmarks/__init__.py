"""Benchmarks: ratios, each within one run."""
