from kit import edit

edit("src/larder/listing.py", "from larder.stock import Stock\n", "from typing import no_type_check as documented\n\nfrom larder.stock import Stock\n")
edit("src/larder/listing.py", "def line(", "@documented\ndef line(")
