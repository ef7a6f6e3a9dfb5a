from kit import write

write("pytest.ini", "[pytest]\npythonpath = src\ntestpaths = tests\naddopts = -k \"not take_leaves and not take_all\"\n")
