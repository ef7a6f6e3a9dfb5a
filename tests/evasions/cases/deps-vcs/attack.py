from kit import append, git

append("requirements.txt", "git+https://example.invalid/eve/larderlib@main#egg=larderlib\n")
