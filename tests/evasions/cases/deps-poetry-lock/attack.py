from kit import write

write("poetry.lock", '[[package]]\nname = "requests"\nversion = "2.19.0"\ndescription = ""\noptional = false\npython-versions = "*"\nfiles = []\n\n[metadata]\nlock-version = "2.0"\npython-versions = ">=3.11"\ncontent-hash = "0"\n')
