from kit import edit

edit("pyproject.toml", 'testpaths = ["tests"]', 'testpaths = ["tests"]\npython_functions = ["test_put*", "test_[f-s]*", "test_take_t*", "test_take_w*"]')
