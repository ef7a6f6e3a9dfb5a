"""A line that the formatter would write in another way."""

from kit import edit

edit("src/larder/listing.py", "WIDTH: int = 12", "WIDTH: int =   12")
