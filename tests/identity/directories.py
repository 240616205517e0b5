"""Real directories that belong to the tests alone: OpenLDAP, and a Samba domain controller for Active Directory."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.service import free_port

START_SECONDS = 30.0
PASSWORDS = {"ada": "Ada's passphrase 1", "bob": "Bob's passphrase 1", "eve": "Eve's passphrase 1"}
SERVICE_PASSWORD = "the Reader's passphrase 1"
ADMIN_PASSWORD = "an Admin's passphrase 1"

SLAPD = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
pidfile {directory}/pid
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
security simple_bind=128
database mdb
suffix "dc=example,dc=test"
directory {directory}/db
rootdn "cn=root,dc=example,dc=test"
overlay ppolicy
ppolicy_default "cn=policy,dc=example,dc=test"
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=reader,dc=example,dc=test" read by * none
"""
LDIF = """
dn: dc=example,dc=test
objectClass: domain
dc: example

dn: cn=reader,dc=example,dc=test
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: {reader}

dn: cn=policy,dc=example,dc=test
objectClass: device
objectClass: pwdPolicy
cn: policy
pwdAttribute: userPassword
pwdLockout: TRUE

dn: ou=people,dc=example,dc=test
objectClass: organizationalUnit

dn: uid=ada,ou=people,dc=example,dc=test
objectClass: inetOrgPerson
cn: Ada
sn: Lovelace
userPassword: {ada}

dn: uid=bob,ou=people,dc=example,dc=test
objectClass: inetOrgPerson
cn: Bob
sn: Bobson
userPassword: {bob}

dn: uid=eve,ou=people,dc=example,dc=test
objectClass: inetOrgPerson
cn: Eve
sn: Evans
userPassword: {eve}
pwdAccountLockedTime: 000001010000Z

dn: ou=groups,dc=example,dc=test
objectClass: organizationalUnit

dn: cn=queue people,ou=groups,dc=example,dc=test
objectClass: groupOfNames
member: uid=ada,ou=people,dc=example,dc=test

dn: cn=watchers,ou=groups,dc=example,dc=test
objectClass: posixGroup
gidNumber: 1000
memberUid: bob
"""


@contextmanager
def openldap(directory: Path, certificate: Path, key: Path) -> Iterator[tuple[int, int]]:
    """An OpenLDAP; its ports for ldap and ldaps."""
    (directory / "db").mkdir()
    config, ldif = directory / "slapd.conf", directory / "entries.ldif"
    config.write_text(SLAPD.format(directory=directory, certificate=certificate, key=key))
    ldif.write_text(LDIF.format(reader=SERVICE_PASSWORD, **PASSWORDS))
    subprocess.run(["/usr/sbin/slapadd", "-f", str(config), "-l", str(ldif)], check=True, capture_output=True)
    plain, tls = free_port(), free_port()
    addresses = f"ldap://127.0.0.1:{plain}/ ldaps://127.0.0.1:{tls}/"
    with _running(["/usr/sbin/slapd", "-f", str(config), "-h", addresses, "-d", "0"], directory / "log", tls):
        yield plain, tls


@contextmanager
def samba(directory: Path, certificate: Path, key: Path) -> Iterator[None]:
    """A domain controller of corp.example.test on the ports 389 and 636, which are its only ones."""
    config = directory / "etc" / "smb.conf"

    def tool(*words: str) -> None:
        _run("samba-tool", *words, "-s", str(config))

    _run(
        *(
            "samba-tool",
            "domain",
            "provision",
            f"--targetdir={directory}",
            "--realm=CORP.EXAMPLE.TEST",
            "--domain=CORP",
        ),
        *("--host-name=dc1", "--host-ip=127.0.0.1", f"--adminpass={ADMIN_PASSWORD}", "--server-role=dc"),
        *("--dns-backend=NONE", "--use-rfc2307", "--option=interfaces=lo", "--option=bind interfaces only=yes"),
        "--option=vfs objects=dfs_samba4 acl_xattr",
    )
    for name, password in {**PASSWORDS, "reader": SERVICE_PASSWORD}.items():
        tool("user", "create", name, password)
    tool("user", "disable", "eve")
    for group in ("queue people", "engineers", "watchers"):
        tool("group", "add", group)
    tool("group", "addmembers", "engineers", "ada")
    tool("group", "addmembers", "queue people", "engineers")  # so ada is in it by way of another group
    tool("group", "addmembers", "watchers", "bob")
    options = (
        *("server services=ldap", "tls enabled=yes", f"tls certfile={certificate}", f"tls keyfile={key}"),
        *(f"tls cafile={certificate}", "interfaces=lo", "bind interfaces only=yes"),
        *(f"pid directory={directory}", f"ncalrpc dir={directory / 'ncalrpc'}"),  # another one may run on this machine
    )
    command = ["samba", "-i", "-M", "single", "-s", str(config), *(f"--option={option}" for option in options)]
    with _running(command, directory / "log", 636):
        yield


@contextmanager
def _running(command: Sequence[str], log: Path, port: int) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            _wait_for(port, process, log)
            yield
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text(errors="replace")) from None
            time.sleep(0.05)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])}: {done.stderr[-2000:]}")
