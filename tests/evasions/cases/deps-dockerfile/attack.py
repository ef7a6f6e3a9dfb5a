from kit import write

write("Dockerfile", 'FROM python:3.12-slim\nRUN pip install --index-url https://example.invalid/simple requests==2.19.0\nCOPY src /srv\n')
