from kit import cut, edit, git

git("rm", "-q", "src/larder/listing.py", "tests/test_listing.py")
cut("src/larder/units.py", "\n\ndef spoken")
edit("tests/test_units.py", "import BadQuantity, grams, spoken", "import BadQuantity, grams")
cut("tests/test_units.py", "\n\ndef test_spoken_below")
