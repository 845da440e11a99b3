"""What an installation may write into its settings, and how every mistake is named."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from gateway import settings
from gateway.settings import SettingsError

Writer = Callable[[object], str]

ENTITY = {
    "name": "Meridian Services",
    "currency": "EUR",
    "country": "ES",
    "time_zone": "Europe/Madrid",
    "tax_basis": "per_rate_group",
    "erp": "books",
    "psa": "delivery",
}


def connection(family: str) -> dict[str, object]:
    return {
        "vendor": "tryton",
        "family": family,
        "environment": "sandbox",
        "owner": "Finance Systems",
        "legal_entities": ["ES01"],
    }


def document() -> dict[str, object]:
    return {
        "environment": "sandbox",
        "entities": {"ES01": dict(ENTITY)},
        "connections": {"books": connection("erp"), "delivery": connection("psa")},
        "owners": {"Finance Systems": {"team": "Finance Systems", "contact": "finance@example.com"}},
    }


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    def write(content: object) -> str:
        path = tmp_path / "tiebeam.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return str(path)

    return write


def test_minimal_settings_keep_everything_in_sqlite_beside_the_file(write: Writer, tmp_path: Path) -> None:
    loaded = settings.load(write(document()), {})

    assert loaded.database_url == f"sqlite:///{tmp_path / 'data' / 'tiebeam.sqlite'}"
    assert loaded.entities["ES01"].code_pattern == "P-{number:04}"


def test_environment_overrides_nested_fields_whatever_their_case(write: Writer) -> None:
    environ = {"TIEBEAM__HTTP__PORT": "9090", "TIEBEAM__ENTITIES__ES01__TIME_ZONE": "UTC", "OTHER": "x"}

    loaded = settings.load(write(document()), environ)

    assert loaded.http.port == 9090
    assert loaded.entities["ES01"].time_zone == "UTC"


@pytest.mark.parametrize(
    ("variable", "value", "part"),
    [
        ("TIEBEAM__HTTP__PORT", "[hunter2", "The value of the variable TIEBEAM__HTTP__PORT is no YAML"),
        ("TIEBEAM__ENVIRONMENT__X", "hunter2", "TIEBEAM__ENVIRONMENT__X names no field"),
    ],
)
def test_variable_that_cannot_be_read_is_named_without_its_value(
    write: Writer, variable: str, value: str, part: str
) -> None:
    with pytest.raises(SettingsError, match=part) as caught:
        settings.load(write(document()), {variable: value})

    assert "hunter2" not in str(caught.value)


def test_file_is_found_through_the_variable(write: Writer) -> None:
    assert settings.load(None, {"TIEBEAM_CONFIG": write(document())}).environment == "sandbox"


def test_every_mistake_is_named_with_its_place(write: Writer) -> None:
    wrong = document() | {"http": {"port": "eighty"}, "unknown": 1}
    del wrong["entities"]["ES01"]["currency"]

    with pytest.raises(SettingsError) as caught:
        settings.load(write(wrong), {})

    text = str(caught.value)
    assert "http.port" in text
    assert "unknown" in text
    assert "entities.ES01" in text
    assert "currency" in text


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"entities": {"ES01": ENTITY | {"psa": "nowhere"}}}, "there is no connection nowhere"),
        ({"entities": {"ES01": ENTITY | {"psa": "books"}}}, "books is of the family erp"),
        ({"entities": {"ES01": ENTITY, "DE01": ENTITY}}, "books does not list DE01"),
        ({"connections": {"books": connection("erp") | {"legal_entities": ["ES01", "FR01"]}}}, "no entity FR01"),
        ({"owners": {}}, "connections.books.owner: Finance Systems is not one of the owners"),
        ({"releases": {"unusual_percent": 50}}, "releases.unusual_percent: what is less"),
        ({"releases": {"unusual_after": 7}}, "releases.unusual_after: so many invoices are never looked at"),
        ({"environment": "production"}, "connections.books: sandbox does not mix with production"),
    ],
)
def test_contradiction_is_refused_in_words(write: Writer, change: dict[str, object], part: str) -> None:
    with pytest.raises(SettingsError, match=part):
        settings.load(write(document() | change), {})


def test_development_issuer_is_refused_in_production(write: Writer) -> None:
    issuer = {"issuer": "dev", "audience": "tiebeam", "jwks_file": "jwks.json", "development": True}

    with pytest.raises(SettingsError, match="dev is for development"):
        settings.load(write(document() | {"environment": "production", "issuers": [issuer]}), {})


ISSUER: dict[str, object] = {"issuer": "https://login.example", "audience": "tiebeam"}
AT = "https://login.example/keys"


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({}, "needs jwks_file or jwks_url, one of them"),
        ({"jwks_file": "keys.json", "jwks_url": AT}, "needs jwks_file or jwks_url, one of them"),
        ({"jwks_url": ""}, "issuers.0.jwks_url"),
        ({"jwks_url": "http://login.example/keys"}, "issuers.0.jwks_url: write https"),
        ({"jwks_url": "http://127.0.0.1.example/keys"}, "issuers.0.jwks_url: write https"),
        ({"jwks_url": "ftp://login.example/keys"}, "issuers.0.jwks_url: write https"),
        ({"jwks_url": "file:///etc/passwd"}, "issuers.0.jwks_url: write https"),
        ({"jwks_url": "login.example/keys"}, "issuers.0.jwks_url: write https"),
        ({"jwks_url": "https:///keys"}, "issuers.0.jwks_url: write https"),
        ({"jwks_url": "https://user:pass@login.example/keys"}, "issuers.0.jwks_url: write https"),
        ({"jwks_url": "https://login.example/keys#x"}, "issuers.0.jwks_url: write https"),
        ({"jwks_url": "https://login.example:99999/keys"}, "issuers.0.jwks_url: write https"),
        ({"jwks_url": "https://login.example:0/keys"}, "issuers.0.jwks_url: write https"),
        ({"jwks_url": "https://login.example/ke ys"}, "issuers.0.jwks_url: write https"),
        ({"jwks_url": "https://login.example/\n"}, "issuers.0.jwks_url: write https"),
        ({"jwks_url": AT, "audience": ""}, "issuers.0.audience"),
        ({"jwks_url": AT, "keys": {"fresh_at_least_s": 0}}, "issuers.0.keys.fresh_at_least_s"),
        ({"jwks_url": AT, "keys": {"fresh_at_most_s": 3601}}, "issuers.0.keys.fresh_at_most_s"),
        ({"jwks_url": AT, "keys": {"refetch_s": 0.5}}, "issuers.0.keys.refetch_s"),
        ({"jwks_url": AT, "keys": {"fresh_at_least_s": 901}}, "fresh_at_least_s is more than fresh_at_most_s"),
    ],
)
def test_issuer_that_cannot_be_meant_is_refused(write: Writer, fields: dict[str, object], part: str) -> None:
    with pytest.raises(SettingsError, match=part):
        settings.load(write(document() | {"issuers": [ISSUER | fields]}), {})


def test_issuer_without_audience_does_not_load(write: Writer) -> None:
    with pytest.raises(SettingsError, match='"audience" is a required property'):
        settings.load(write(document() | {"issuers": [{"issuer": "https://login.example", "jwks_url": AT}]}), {})


@pytest.mark.parametrize(
    "url",
    [
        AT,
        "https://login.example:8443/realms/firm/certs?v=2",
        "http://127.0.0.1:8181/keys",
        "http://localhost/keys",
        "http://[::1]:8181/keys",
    ],
)
def test_issuer_in_a_sandbox_publishes_its_keys_over_tls_or_on_this_machine(write: Writer, url: str) -> None:
    loaded = settings.load(write(document() | {"issuers": [ISSUER | {"jwks_url": url}]}), {})

    assert loaded.issuers[0].jwks_url == url


def test_keys_over_plain_http_are_refused_in_production(write: Writer) -> None:
    connections = {name: fields | {"environment": "production"} for name, fields in document()["connections"].items()}
    changed = document() | {"environment": "production", "connections": connections}

    settings.load(write(changed | {"issuers": [ISSUER | {"jwks_url": AT}]}), {})
    with pytest.raises(SettingsError, match="jwks_url: write https"):
        settings.load(write(changed | {"issuers": [ISSUER | {"jwks_url": "http://localhost/keys"}]}), {})


def test_secret_is_read_from_file_or_environment_and_never_shown(write: Writer, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://u:hunter2@db/x\n")

    of_file = settings.load(write(document() | {"database": {"url": {"file": "url"}}}), {})
    of_environment = settings.load(write(document() | {"redis": {"url": {"env": "R"}}}), {"R": "redis://:hunter2@r"})

    assert of_file.database_url == "postgresql://u:hunter2@db/x"
    assert of_environment.redis is not None
    assert of_environment.redis.url.reveal() == "redis://:hunter2@r"
    assert "hunter2" not in repr(of_file) + repr(of_environment)


def test_secret_written_into_the_file_is_refused_without_being_repeated(write: Writer) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.load(write(document() | {"database": {"url": "postgresql://u:hunter2@db/x"}}), {})

    assert "database.url" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("url", "part"), [({"env": "NOT_SET"}, "NOT_SET"), ({"file": "not-there"}, "not-there")])
def test_secret_that_cannot_be_read_is_named_by_its_place(write: Writer, url: dict[str, str], part: str) -> None:
    with pytest.raises(SettingsError, match=part):
        settings.load(write(document() | {"database": {"url": url}}), {})


def test_field_that_stands_twice_is_named_with_file_and_lines(write: Writer, tmp_path: Path) -> None:
    file = write("environment: sandbox\nhttp: {port: 1}\nhttp: {port: 2}\n")

    with pytest.raises(SettingsError) as caught:
        settings.load(file, {})

    assert str(caught.value) == f"{tmp_path}/tiebeam.yaml is not YAML: line 3: the key http stands on line 2 already."


def test_variable_with_a_key_twice_is_named_without_its_value(write: Writer) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.load(write(document()), {"TIEBEAM__HTTP": "{port: 8080, port: 8081}"})

    assert str(caught.value) == "The value of the variable TIEBEAM__HTTP is no YAML."


@pytest.mark.parametrize(("content", "part"), [("a: [", "not YAML"), ("- a", "no settings"), ("", "no settings")])
def test_file_that_is_no_mapping_is_refused(write: Writer, content: str, part: str) -> None:
    with pytest.raises(SettingsError, match=part):
        settings.load(write(content), {})


def test_missing_file_says_what_to_do_next(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="tiebeam init"):
        settings.load(str(tmp_path / "none.yaml"), {})
