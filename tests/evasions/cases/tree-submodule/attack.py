from kit import commit, git, write

write(".gitmodules", '[submodule "more"]\n\tpath = src/larder/more\n\turl = https://example.invalid/eve/more.git\n')
git("add", ".gitmodules")
git("update-index", "--add", "--cacheinfo", "160000," + git("rev-parse", "main").strip() + ",src/larder/more")
git("commit", "-q", "-m", "more")
