"""Stages: what can be done with a run, from plan to pull request. Each is a class over the same core."""
