"""The trail: an append-only, tamper-evident log of events, and the only place where state lives.

Callers use `pev.trail.store.Trail`; everything that knows SQL stays in this package.
"""
