from kit import write

write("requirements-prod.txt", "requests==2.19.0\n")
