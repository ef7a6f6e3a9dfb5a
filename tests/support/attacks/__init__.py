"""Programs that try to break out of a sandbox, one module a topic.

They run inside, started from `run.py`, on the standard library alone. What they are told, and what they have
in common, is in `kit.py`; whether one got out is judged outside, by `support.breakout`.
"""
