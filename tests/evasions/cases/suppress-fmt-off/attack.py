from kit import edit

edit("src/larder/listing.py", "WIDTH: int =   12", "# fmt: off\nWIDTH: int =   12\n# fmt: on")
