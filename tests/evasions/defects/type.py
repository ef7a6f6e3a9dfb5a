"""A constant of the wrong type; it works all the same."""

from kit import edit

edit("src/larder/listing.py", "WIDTH: int = 12", 'WIDTH: int = "12"')
