"""Users of a real OpenLDAP and of a real Active Directory (Samba), over verified TLS."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from msgspec.structs import replace

from app.people import Admitted, Refusal
from app.providers.ldap import Finding, Ldap
from app.settings import Secret, Settings
from tests.api.answers import problem
from tests.certificates import Authority
from tests.conftest import PASSWORD, MakeApp, client_of
from tests.identity.directories import ADMIN_PASSWORD, PASSWORDS, SERVICE_PASSWORD, openldap, samba
from tests.service import free_port

OPENLDAP, CORP = "dc=example,dc=test", "DC=corp,DC=example,DC=test"
GROUPS = {OPENLDAP: "cn={},ou=groups,dc=example,dc=test", CORP: "CN={},CN=Users,DC=corp,DC=example,DC=test"}

# ldap3 leaves a socket that could not connect to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def slapd(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[tuple[int, int]]:
    with openldap(tmp_path_factory.mktemp("slapd"), *authority.issue("DNS:localhost")) as ports:
        yield ports


@pytest.fixture(scope="session")
def domain(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[None]:
    with samba(tmp_path_factory.mktemp("samba"), *authority.issue("DNS:localhost", "DNS:dc1.corp.example.test")):
        yield


SAMBA_BY_THEMSELVES, SAMBA_BY_SEARCH = "samba upn ldaps", "samba search starttls"
OPENLDAPS = ["openldap ldaps", "openldap starttls"]


@pytest.fixture(params=[*OPENLDAPS, SAMBA_BY_THEMSELVES, SAMBA_BY_SEARCH])
def ldap_settings(request: pytest.FixtureRequest, authority: Authority) -> dict[str, Any]:
    kind, *_, wire = request.param.split()
    if kind == "openldap":
        plain, tls = request.getfixturevalue("slapd")
        base, found = OPENLDAP, {"ldap_bind_dn": f"cn=reader,{OPENLDAP}"}
    else:
        request.getfixturevalue("domain")
        plain, tls = 389, 636
        base, found = CORP, {"ldap_domain": "corp.example.test"}
        if "search" in request.param:
            found = {"ldap_bind_dn": f"CN=reader,CN=Users,{CORP}", "ldap_user_filter": "(sAMAccountName={})"}
    if "ldap_bind_dn" in found:
        found["ldap_bind_password"] = Secret(SERVICE_PASSWORD)
    rights = {
        GROUPS[base].format("queue people"): ["producer", "consumer"],
        GROUPS[base].format("watchers"): ["viewer"],
    }
    return {
        "identity": "ldap",
        "identity_ca_file": str(authority.file),
        "identity_groups": json.dumps(rights | {GROUPS[base].format("nobody made this"): ["admin"]}),
        "ldap_url": f"ldaps://localhost:{tls}" if wire == "ldaps" else f"ldap://localhost:{plain}",
        "ldap_base": base,
        **found,
    }


@pytest.fixture
def settings(settings: Settings, ldap_settings: dict[str, Any]) -> Settings:
    return replace(settings, **ldap_settings)


def log_in(client: FlaskClient, username: str, password: str) -> Any:
    return client.post("/login", json={"username": username, "password": password})


def bearer(answer: Any) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.get_json()['access_token']}"}


def logins(app: Flask) -> list[tuple[str, str, str]]:
    entries = client_of(app, "admin").get("/audit?action=login").get_json()["entries"]
    return [(entry["target"], entry["outcome"], entry["detail"]) for entry in entries]


def test_a_user_logs_in_pushes_and_pops_with_the_roles_of_their_groups(client: FlaskClient, app: Flask) -> None:
    answer = log_in(client, "ada", PASSWORDS["ada"])
    headers = bearer(answer)
    assert answer.get_json()["expires_in"] == 900
    assert client.post("/push", json={"message": "hello"}, headers=headers).status_code == 201
    assert client.post("/pop", headers=headers).get_json()["message"] == "hello"
    me = client.get("/me", headers=headers).get_json()
    assert (me["username"], me["roles"]) == ("ldap:ada", ["producer", "consumer"])
    problem(client.get("/users", headers=headers), 403, "forbidden")
    assert logins(app)[0] == ("ldap:ada", "done", "let in by ldap")


def test_another_has_another_role_and_may_do_no_more(client: FlaskClient) -> None:
    headers = bearer(log_in(client, "bob", PASSWORDS["bob"]))
    assert client.get("/me", headers=headers).get_json()["roles"] == ["viewer"]
    problem(client.post("/push", json={"message": 1}, headers=headers), 403, "forbidden")


def test_wrong_password_disabled_unknown_and_a_filter_for_a_name_are_answered_alike(
    client: FlaskClient, app: Flask, settings: Settings
) -> None:
    tries = [
        ("ada", "wrong"),
        ("eve", PASSWORDS["eve"]),
        ("stranger", "wrong"),
        ("*)(uid=*", PASSWORDS["ada"]),
        ("a*", PASSWORDS["ada"]),
        ("ada", ""),
    ]
    bodies = [problem(log_in(client, *each), 401, "unauthenticated") for each in tries]
    assert len({body["detail"] for body in bodies}) == 1
    log = str(logins(app))
    for secret in ("wrong", PASSWORDS["ada"], PASSWORDS["eve"]):
        assert secret not in log.replace("the password is wrong", "")
    if settings.ldap_domain:  # the user's own bind is refused, and no name is known yet
        assert {target for target, *_ in logins(app)} == {"?"}
    else:
        assert {target for target, *_ in logins(app)} == {"ldap:ada", "ldap:eve", "?"}


@pytest.mark.parametrize("ldap_settings", [SAMBA_BY_THEMSELVES, SAMBA_BY_SEARCH], indirect=True)
def test_the_audit_log_knows_why_active_directory_refused(client: FlaskClient, app: Flask) -> None:
    for name, why in (("ada", "the password is wrong"), ("eve", "the account is disabled")):
        log_in(client, name, "wrong" if name == "ada" else PASSWORDS[name])
        assert logins(app)[0][2] == f"ldap: {why}"


def test_the_directorys_admin_is_not_pulpos(client: FlaskClient) -> None:
    problem(log_in(client, "admin", ADMIN_PASSWORD), 401, "unauthenticated")
    assert log_in(client, "admin", PASSWORD).status_code == 200


def test_the_same_user_is_the_same_caller_whatever_they_typed(client: FlaskClient, settings: Settings) -> None:
    names = ["ada", "ADA", "ldap:ada"] + (["ada@corp.example.test"] if settings.ldap_domain else [])
    ids = set()
    for name in names:
        headers = bearer(log_in(client, name, PASSWORDS["ada"])) | {"Idempotency-Key": "1"}
        ids.add(client.post("/push", json={"message": 1}, headers=headers).get_json()["id"])
    assert len(ids) == 1


@pytest.mark.parametrize("ldap_settings", [SAMBA_BY_THEMSELVES], indirect=True)
def test_guesses_at_one_user_are_counted_together_whatever_domain_is_typed(client: FlaskClient) -> None:
    for name in ("ada", "ada@corp.example.test", "ADA@CORP", "ldap:ada", "ada@Corp.Example.Test"):
        problem(log_in(client, name, "wrong"), 401, "unauthenticated")
    problem(log_in(client, "ada", PASSWORDS["ada"]), 429, "rate-limited")


def provider_of(settings: Settings, **changed: str) -> Ldap:
    now = replace(settings, **changed)
    password = now.ldap_bind_password.reveal() if now.ldap_bind_password else None
    finding = Finding(
        base=now.ldap_base,
        domain=now.ldap_domain or None,
        bind_dn=now.ldap_bind_dn or None,
        bind_password=password,
        user_filter=now.ldap_user_filter or None,
    )
    return Ldap(now.ldap_urls, finding, [], ca_file=now.identity_ca_file or None)


def test_the_provider_itself_takes_no_name_for_a_filter_and_no_silence_for_a_password(settings: Settings) -> None:
    provider = provider_of(settings)
    assert isinstance(provider.login("ada", PASSWORDS["ada"]), Admitted)
    for name in ("*", "a*", "*)(uid=*", "ada)(|(cn=*", "ada\x00", "(", "\\", "uid=ada"):
        assert isinstance(provider.login(name, PASSWORDS["ada"]), Refusal), name
    for password in ("", "\x00", f"{PASSWORDS['ada']}\x00"):
        assert provider.login("ada", password) == Refusal("no password is like that")


def test_a_password_is_the_directorys_to_judge_whatever_is_in_it(settings: Settings) -> None:
    # The first would be nothing at all to SASLprep, and the others are what it refuses.
    for password in ("\u00ad", "\t", "a\u0627b", "\ue000"):
        assert isinstance(provider_of(settings).login("ada", password), Refusal), password


def test_many_logins_at_once_are_told_apart(settings: Settings) -> None:
    provider = provider_of(settings)

    def log_in_as(name: str) -> str:
        answer = provider.login(name, PASSWORDS[name])
        return answer.who.name if isinstance(answer, Admitted) else ""

    names = ["ada", "bob"] * 20
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(log_in_as, names)) == names


@pytest.mark.parametrize("fault", ["another authority", "another name"])
def test_a_certificate_that_does_not_fit_is_503_and_the_password_stays_here(
    make_app: MakeApp, settings: Settings, tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    changed = replace(settings, ldap_url=settings.ldap_url.replace("localhost", "127.0.0.1"))
    if fault == "another authority":
        changed = replace(settings, identity_ca_file=str(Authority(tmp_path).file))
    app = make_app(changed)
    problem(log_in(app.test_client(), "ada", PASSWORDS["ada"]), 503, "identity-unavailable")
    assert logins(app)[0][:2] == ("?", "unanswered")
    assert "certificate verify failed" in caplog.text


def test_a_directory_that_is_down_is_503_and_the_admin_of_the_table_gets_in(
    make_app: MakeApp, settings: Settings
) -> None:
    app = make_app(replace(settings, ldap_url=f"ldaps://localhost:{free_port()}"))
    for _ in range(7):
        answer = log_in(app.test_client(), "ada", PASSWORDS["ada"])
        problem(answer, 503, "identity-unavailable")
        assert answer.headers["Retry-After"] == "5"
    assert log_in(app.test_client(), "admin", PASSWORD).status_code == 200


def test_a_silent_directory_costs_some_seconds_and_the_next_one_is_asked(make_app: MakeApp, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = f"ldaps://localhost:{silent.getsockname()[1]}"
        client = make_app(replace(settings, ldap_url=mute)).test_client()
        began = time.monotonic()
        problem(log_in(client, "ada", PASSWORDS["ada"]), 503, "identity-unavailable")
        assert time.monotonic() - began < 6
        client = make_app(replace(settings, ldap_url=f"{mute},{settings.ldap_url}")).test_client()
        bearer(log_in(client, "ada", PASSWORDS["ada"]))
        began = time.monotonic()
        bearer(log_in(client, "ada", PASSWORDS["ada"]))  # the one that answered is asked first now
        assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("ldap_settings", [*OPENLDAPS, SAMBA_BY_SEARCH], indirect=True)
def test_a_wrong_account_to_look_with_is_503(make_app: MakeApp, settings: Settings) -> None:
    client = make_app(replace(settings, ldap_bind_password=Secret("wrong"))).test_client()
    problem(log_in(client, "ada", PASSWORDS["ada"]), 503, "identity-unavailable")


def test_a_token_from_before_the_provider_was_changed_is_refused(
    client: FlaskClient, make_app: MakeApp, settings: Settings
) -> None:
    headers = bearer(log_in(client, "ada", PASSWORDS["ada"]))
    assert client.post("/logout", headers=bearer(log_in(client, "ada", PASSWORDS["ada"]))).status_code == 200
    assert client.get("/me", headers=headers).status_code == 200
    local = make_app(replace(settings, identity="local")).test_client()
    problem(local.get("/me", headers=headers), 401, "unauthenticated")
