from kit import write

write("src/larder/\x1b[2Jmore.py", "import os\n")
