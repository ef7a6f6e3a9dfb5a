"""The page where a person decides: on loopback for a person at this machine, or behind their own login."""
