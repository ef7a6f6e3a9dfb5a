"""Sandboxes: how a command of an agent, or a check of the gate, is confined. One file per mechanism."""
