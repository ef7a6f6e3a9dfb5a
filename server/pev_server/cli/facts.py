"""What `pev doctor` gathers."""

from pev.models import Model


class Fact(Model):
    """One thing that doctor looked at. `state` is ok, note or bad."""

    name: str
    state: str
    text: str
    hint: str = ""
