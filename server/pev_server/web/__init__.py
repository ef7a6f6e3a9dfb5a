"""The page where a person decides and reads the trail: on loopback, or behind their own login."""
