"""The settings of providers: what is needed, what is refused, and that nothing starts with less than TLS."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from app import make_provider
from app.providers.ldap import Finding
from app.settings import InvalidSettings, Settings
from app.urls import is_safe_url

BASE = {"PULPO_SECRET": "x" * 32}
OIDC = {"PULPO_IDENTITY": "oidc", "PULPO_OIDC_ISSUER": "https://a.example/", "PULPO_IDENTITY_CLIENTS": "pulpo"}
LDAP = {"PULPO_IDENTITY": "ldap", "PULPO_LDAP_URL": "ldaps://a.example", "PULPO_LDAP_BASE": "dc=example"}
COGNITO = {"PULPO_IDENTITY": "cognito", "PULPO_COGNITO_POOL": "eu-west-1_a", "PULPO_IDENTITY_CLIENTS": "a"}


@pytest.mark.parametrize("good", [OIDC, LDAP, COGNITO, {"PULPO_LDAP_URL": "nonsense of one that is not chosen"}])
def test_what_is_needed_is_enough(good: dict[str, str]) -> None:
    assert Settings.from_env(BASE | good).identity == good.get("PULPO_IDENTITY", "local")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"PULPO_IDENTITY": "nis"}, "PULPO_IDENTITY: must be cognito or ldap or local or oidc"),
        ({"PULPO_IDENTITY": "ldap"}, "PULPO_LDAP_URL: is needed"),
        ({"PULPO_IDENTITY": "ldap"}, "PULPO_LDAP_BASE: is needed"),
        (LDAP | {"PULPO_LDAP_URL": " , "}, "PULPO_LDAP_URL: is needed"),
        (LDAP | {"PULPO_IDENTITY_GROUPS": '{"admins": ["admin"]}'}, "PULPO_IDENTITY_GROUPS: must name groups by"),
        (LDAP | {"PULPO_LDAP_URL": "http://a.example"}, "PULPO_LDAP_URL"),
        (LDAP | {"PULPO_LDAP_URL": "ldaps://"}, "PULPO_LDAP_URL"),
        (LDAP | {"PULPO_LDAP_URL": "ldaps://[x"}, "PULPO_LDAP_URL"),
        (LDAP | {"PULPO_LDAP_BIND_DN": "cn=a"}, "PULPO_LDAP_BIND_DN: needs PULPO_LDAP_BIND_PASSWORD"),
        (LDAP | {"PULPO_LDAP_USER_FILTER": "uid={}"}, "PULPO_LDAP_USER_FILTER"),
        (LDAP | {"PULPO_LDAP_USER_FILTER": "(uid=ada)"}, "PULPO_LDAP_USER_FILTER"),
        ({"PULPO_IDENTITY": "cognito"}, "PULPO_COGNITO_POOL: is needed"),
        (COGNITO | {"PULPO_COGNITO_POOL": "evil.example/#_a"}, "PULPO_COGNITO_POOL: must be"),
        (COGNITO | {"PULPO_IDENTITY_CLIENTS": ","}, "PULPO_IDENTITY_CLIENTS: is needed"),
        (COGNITO | {"PULPO_COGNITO_URL": "http://a.example/"}, "PULPO_COGNITO_URL: must be https"),
        ({"PULPO_IDENTITY": "oidc"}, "PULPO_OIDC_ISSUER: is needed"),
        ({"PULPO_IDENTITY": "oidc"}, "PULPO_IDENTITY_CLIENTS: is needed"),
        (OIDC | {"PULPO_OIDC_ISSUER": "http://a.example"}, "PULPO_OIDC_ISSUER: must be https"),
        (OIDC | {"PULPO_IDENTITY_JWKS_URL": "ftp://a.example"}, "PULPO_IDENTITY_JWKS_URL: must be https"),
        (OIDC | {"PULPO_IDENTITY_GROUPS": "admins=admin"}, "PULPO_IDENTITY_GROUPS: must be JSON"),
        (OIDC | {"PULPO_IDENTITY_GROUPS": '{"a": "admin"}'}, "PULPO_IDENTITY_GROUPS: must be JSON"),
        (OIDC | {"PULPO_IDENTITY_SCOPES": '{"a": ["root"]}'}, "'root' is neither a role nor a permission"),
    ],
    ids=str,
)
def test_a_fault_is_named(given: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidSettings) as raised:
        Settings.from_env(BASE | given)
    assert named in str(raised.value)


def test_without_its_client_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "app.providers.ldap")
    monkeypatch.setitem(sys.modules, "ldap3", None)
    with pytest.raises(InvalidSettings, match=r"^PULPO_IDENTITY: ldap needs ldap3; install requirements-ldap.txt$"):
        make_provider(Settings.from_env(BASE | LDAP))


@pytest.mark.parametrize("given", [LDAP, OIDC], ids=["ldap", "oidc"])
@pytest.mark.parametrize("content", [None, "no certificate"], ids=str)
def test_a_file_without_certificates_is_one_clear_line(
    given: dict[str, str], content: str | None, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    settings = Settings.from_env(BASE | given | {"PULPO_IDENTITY_CA_FILE": str(file)})
    with pytest.raises(InvalidSettings, match=r"^PULPO_IDENTITY_CA_FILE: .*ca.pem holds no certificates"):
        make_provider(settings)


def test_no_secret_of_a_provider_is_shown(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("hush\n")
    secrets = {"PULPO_LDAP_BIND_PASSWORD_FILE": str(tmp_path / "file"), "PULPO_IDENTITY_CLIENT_SECRET": "hush"}
    settings = Settings.from_env(BASE | LDAP | secrets | {"PULPO_LDAP_BIND_DN": "cn=reader"})
    assert settings.ldap_bind_password is not None
    assert settings.ldap_bind_password.reveal() == "hush"
    shown = Finding(base="a", domain=None, bind_dn="cn=reader", bind_password="hush", user_filter=None)
    assert "hush" not in f"{settings!r} {shown!r}"


@pytest.mark.parametrize("url", ["https://a.example", "http://localhost:1", "http://127.0.0.1/x", "http://[::1]:80/"])
def test_tls_or_this_machine_is_safe(url: str) -> None:
    assert is_safe_url(url)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://a.example",
            "http://localhost.a.example",
            "http://127.0.0.1.a.example",
            "file:///etc/passwd",
            "ftp://a",
        ),
        *(
            "https://",
            "https://user:secret@a.example",
            "http://localhost@a.example",
            "https://a.example#b",
            "https://[x",
        ),
        *("https://a:99999", "", "//a.example", "http://2130706433"),
    ],
)
def test_anything_else_is_not(url: str) -> None:
    assert not is_safe_url(url)
