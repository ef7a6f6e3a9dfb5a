"""Names of packages that are one slip of the finger away from a well-known one.

The list is short on purpose: it holds what nearly every project could come to need, and what false names
were published for. A name on it is never a false one.
"""

from typing import Final

from packaging.utils import canonicalize_name

_NAMES: Final = """
aiofiles aiohttp aiosqlite alembic annotated-types anthropic anyio apache-airflow argon2-cffi arrow
asgiref asyncpg attrs authlib azure-core azure-identity babel backoff bcrypt beautifulsoup4 black bleach
blinker boto3 botocore build cachetools celery certifi cffi chardet charset-normalizer click cloudpickle
colorama coverage cryptography cython dask dateparser decorator distlib django djangorestframework
docker docutils email-validator environs fabric faker fastapi fastmcp filelock flake8 flask flask-cors
flask-login flask-sqlalchemy freezegun fsspec gevent gitpython google-api-core google-auth
google-cloud-storage graphql-core greenlet grpcio gunicorn h11 httpcore httpie httptools httpx
huggingface-hub hypothesis idna importlib-metadata ipython isort itsdangerous jax jinja2 jmespath joblib
jsonschema jupyter kombu langchain litellm lightgbm llvmlite loguru lxml mako markdown markdown-it-py
markupsafe marshmallow matplotlib mccabe more-itertools msgpack mypy mypy-extensions mysqlclient
networkx nltk nose numba numpy oauthlib openai opencv-python openpyxl orjson packaging pandas paramiko
parso passlib pathspec pendulum pexpect pillow pip pipenv platformdirs plotly pluggy poetry polars
prometheus-client prompt-toolkit protobuf psutil psycopg psycopg2 psycopg2-binary pyarrow pyasn1
pycparser pycryptodome pydantic pydantic-core pydantic-settings pygments pyjwt pylint pymongo pymysql
pynacl pyopenssl pyparsing pyserial pyspark pytest pytest-asyncio pytest-cov pytest-django pytest-mock
pytest-xdist python-dateutil python-dotenv python-jose python-multipart pytz pyyaml pyzmq redis regex
requests requests-oauthlib requests-toolbelt responses rich rsa ruff s3fs s3transfer scapy scikit-learn
scipy scrapy seaborn selenium sentry-sdk setuptools shapely simplejson six sniffio sortedcontainers
soupsieve sphinx sqlalchemy sqlmodel sqlparse starlette statsmodels structlog sympy tabulate tenacity
tensorflow termcolor tiktoken tokenizers toml tomli toolz torch torchvision tornado tox tqdm traitlets
transformers trio twine typer typing-extensions typing-inspect tzdata tzlocal ujson urllib3 uv uvicorn
uvloop virtualenv watchdog watchfiles wcwidth websocket-client websockets werkzeug wheel wrapt xgboost
xmltodict yarl zipp zstandard
"""
_KNOWN: Final = frozenset(_NAMES.split())
_LEAST: Final = 4
_EXTRAS: Final = ("python-", "py-", "py", "-python", "-py", "python", "3", "2", "s", "-lib", "lib")
_SAME: Final = str.maketrans({"0": "o", "1": "l", "-": ""})


def twin_of(name: str) -> str | None:
    """Give the well-known package whose name is nearly this one, or None; the known ones have no twin."""
    own = canonicalize_name(name)
    if own in _KNOWN:
        return None
    for known in sorted(_KNOWN):
        if len(known) >= _LEAST and near(own, known):
            return known
    return None


def near(own: str, known: str, *words: str) -> bool:
    """Say whether two names differ by one slip of the finger, or by one of some words added to one of them.

    Without `words` these are the ones that packages of Python are usually given.
    """
    if own.translate(_SAME) == known.translate(_SAME):
        return True
    if abs(len(own) - len(known)) <= 1 and _one_slip(own, known):
        return True
    return any(own in (extra + known, known + extra) for extra in words or _EXTRAS if len(known) > _LEAST)


def _one_slip(one: str, other: str) -> bool:
    """Say whether one letter was added, left out or changed, or two neighbours were swapped."""
    short, long = sorted((one, other), key=len)
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    if short[at + 1 :] == long[at + 1 :]:
        return True
    return short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]
