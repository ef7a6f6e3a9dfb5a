from kit import edit, git

git("mv", "src/larder/shelf.py", "src/larder/storage.py")
git("mv", "tests/test_shelf.py", "tests/test_storage.py")
edit("tests/test_storage.py", "from larder.shelf import", "from larder.storage import")
