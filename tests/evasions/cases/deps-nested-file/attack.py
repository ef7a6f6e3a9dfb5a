from kit import append, write

append("requirements.txt", "-r requirements/more.txt\n")
write("requirements/more.txt", "requests==2.19.0\n")
