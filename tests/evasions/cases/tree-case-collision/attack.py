from kit import write

write("README.MD", "# larder\n\nAnother text.\n")
write("tests/data/Sample.json", '{"oats": 1}\n')
