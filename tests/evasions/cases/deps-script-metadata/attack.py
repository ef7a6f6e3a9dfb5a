from kit import write

write("scripts/fetch.py", '# /// script\n# requires-python = ">=3.11"\n# dependencies = ["requests==2.19.0"]\n# ///\nprint("fetch")\n')
