from kit import append

append("requirements.txt", "--extra-index-url https://example.invalid/simple\n")
