"""What PostgreSQL's own programs are told when a backup is taken, and by which way."""

import sys
from pathlib import Path

import pytest

from gateway.backup import postgresql
from gateway.backup.archive import BackupError

PROGRAM = """#!{python}
import sys
from urllib.parse import parse_qs, urlsplit

told = dict(option.lstrip("-").partition("=")[::2] for option in sys.argv[1:])
passfile = parse_qs(urlsplit(told["dbname"]).query)["passfile"][0]
with open(passfile) as known, open(told["file"], "w") as into:
    into.write(" ".join(sys.argv[1:]) + chr(10) + known.read())
"""


def test_password_is_told_in_a_file_and_not_in_the_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, into = tmp_path / "pg_dump", tmp_path / "dump"
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    postgresql.dump("postgresql+psycopg://tiebeam:s3cr%3Aet%5C@db.example:5433/tiebeam", into)

    options, known = into.read_text().splitlines()
    assert "tiebeam@db.example:5433/tiebeam?passfile=" in options
    assert "s3cr" not in options
    assert known == r"*:*:*:*:s3cr\:et\\"


def test_missing_program_is_named_with_where_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(BackupError, match=r"pg_dump is not on the path\. Install .*postgresql-client"):
        postgresql.dump("postgresql://tiebeam@db.example/tiebeam", tmp_path / "dump")
