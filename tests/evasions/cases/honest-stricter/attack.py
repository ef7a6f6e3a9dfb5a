from kit import edit

edit("pyproject.toml", 'select = ["B", "E", "F", "I", "UP", "W"]', 'select = ["B", "C4", "E", "F", "I", "RET", "SIM", "UP", "W"]')
edit("pyproject.toml", "strict = true", "strict = true\nwarn_unreachable = true")
edit("pyproject.toml", "fail_under = 80", "fail_under = 95")
