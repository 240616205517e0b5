"""What nginx refuses or fails at itself is answered as Pulpo's own errors are, by address where it must be."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from app.settings import Settings
from app.web.problems import explanation
from tests.nginx.conftest import MOST_BYTES, NAME, NGINX, Proxy, proxied
from tests.service import Service, free_port, wait_until

TEMPLATE = (NGINX / "pulpo.conf.template").read_text(encoding="utf-8")
PROBLEM = re.compile(r'^    \d+ \'\{"type":"/problems/([a-z-]+)","title":"([^"]+)","status":(\d+),', re.MULTILINE)
HARDENED = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "strict-transport-security": "max-age=31536000",
}


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    """The body of an error, after a look at all that every error has."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, object] = answer.json()
    assert list(body) == ["type", "title", "status", "detail", "code", "request_id"]
    assert (body["type"], body["status"], body["code"]) == (f"/problems/{code}", status, code)
    assert answer.headers["X-Request-Id"] == body["request_id"]
    return body


def said(proxy: Proxy, request: bytes, *, name: str = NAME) -> httpx.Response:
    """What is answered to these very bytes, over TLS."""
    with (
        socket.create_connection(("127.0.0.1", proxy.https_port), timeout=10) as plain,
        proxy.trust().wrap_socket(plain, server_hostname=name) as connection,
    ):
        connection.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer or not answer.endswith(b"}\n"):
            part = connection.recv(65536)
            assert part, answer
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = [tuple(line.split(": ", 1)) for line in lines]
    return httpx.Response(int(status.split()[1]), headers=headers, content=body)  # type: ignore[arg-type]


def test_each_error_of_nginx_is_explained_by_pulpo_under_its_code() -> None:
    problems = PROBLEM.findall(TEMPLATE)
    assert len(problems) == TEMPLATE.count('"type":"/problems/') - 1  # the last is for all others
    for code, title, status in problems:
        known = explanation(code)
        assert (known.status, known.code) == (int(status), code)
        assert known.title == title or code == "not-found"


def test_the_largest_request_is_the_one_of_the_setting_unless_it_says_otherwise() -> None:
    (default,) = re.findall(r"PULPO_MAX_REQUEST_BYTES (\d+)", (NGINX / "render").read_text(encoding="utf-8"))
    assert int(default) == Settings().max_request_bytes


def test_gixy_finds_nothing(proxy: Proxy) -> None:
    command = [Path(sys.executable).with_name("gixy"), proxy.directory / "nginx.conf"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (answer.returncode, "No issues found" in answer.stdout) == (0, True), answer.stdout


@pytest.mark.parametrize("value", ["a;b", "a b", "$host", "a\nb", ""])
def test_render_takes_no_value_that_could_change_the_file(value: str) -> None:
    environ = {"SERVER_NAME": value, "TLS_CERTIFICATE": "/c", "TLS_KEY": "/k", "PATH": "/usr/bin:/bin"}
    answer = subprocess.run([NGINX / "render"], env=environ, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "SERVER_NAME" in answer.stderr


def test_a_body_as_large_as_the_setting_passes_and_one_byte_more_does_not(client: httpx.Client) -> None:
    text = {"Content-Type": "text/plain"}
    assert (
        client.post("/push", content=b"x" * MOST_BYTES, headers=text).json()["code"] == "message-too-large"
    )  # Pulpo's
    refused = client.post("/push", content=b"x" * (MOST_BYTES + 1), headers=text)
    assert str(MOST_BYTES) in str(problem(refused, 413, "request-too-large")["detail"])
    chunked = client.post("/push", content=iter([b"x" * MOST_BYTES, b"x"]), headers=text)
    problem(chunked, 413, "request-too-large")
    assert "16384" in problem(client.post("/login", content=b"x" * 16385), 413, "request-too-large")["detail"]  # type: ignore[operator]


def test_a_browser_comes_through_to_the_console_and_keeps_its_parts(client: httpx.Client) -> None:
    page = client.get("/", headers={"Accept": "text/html,*/*;q=0.8"}, follow_redirects=True)
    assert (page.status_code, page.url.path, page.headers["Cache-Control"]) == (200, "/console", "no-cache")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    part = client.get("/console/app.js")
    again = client.get("/console/app.js", headers={"If-None-Match": part.headers["ETag"]})
    assert (part.headers["Content-Type"], again.status_code) == ("text/javascript; charset=utf-8", 304)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", f"{NAME}.evil.example"])
def test_another_host_is_refused(proxy: Proxy, client: httpx.Client, host: str) -> None:
    problem(client.get("/", headers={"Host": host}), 421, "misdirected")
    problem(httpx.get(f"http://127.0.0.1:{proxy.http_port}/", headers={"Host": host}), 421, "misdirected")


def test_a_load_balancer_learns_by_address_whether_pulpo_is_there(proxy: Proxy, service: Service) -> None:
    for url in (f"https://127.0.0.1:{proxy.https_port}", f"http://127.0.0.1:{proxy.http_port}"):
        answer = httpx.get(f"{url}/health/live", verify=proxy.trust())
        assert (answer.status_code, answer.json()) == (200, httpx.get(f"{service.url}/health/live").json())
        problem(httpx.get(f"{url}/health", verify=proxy.trust()), 421, "misdirected")


def test_what_is_sent_in_the_clear_is_refused_and_a_browser_sent_on(proxy: Proxy) -> None:
    plain = f"http://{NAME}:{proxy.http_port}"
    problem(httpx.post(f"{plain}/login", data={"username": "a", "password": "b"}), 403, "tls-required")
    problem(httpx.get(f"{plain}/count", headers={"Authorization": "Bearer x"}), 403, "tls-required")
    browser = httpx.get(f"{plain}/docs?x=1")
    assert (browser.status_code, browser.headers["Location"]) == (301, f"{proxy.url}/docs?x=1")
    problem(httpx.get(f"{plain}/.well-known/acme-challenge/none"), 404, "not-found")


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400, "bad-request"),
        (b"GET /\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "bad-request"),
        (b"nonsense\r\n\r\n", 400, "bad-request"),
        (b"GET / HTTP/9.0\r\nHost: localhost\r\n\r\n", 400, "bad-request"),
        (b"POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400, "bad-request"),
        (b"POST /push HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: x\r\n\r\n", 400, "bad-request"),
        (b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "method-not-allowed"),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, "uri-too-long"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * 9000 + b"\r\n\r\n", 431, "headers-too-large"),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "not-found"),
        (b"GET /.problem HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "not-found"),
        (b"GET /out-of-service HTTP/1.1\r\nHost: localhost\r\n\r\n", 503, "out-of-service"),
    ],
)
def test_nginx_answers_its_own_errors_as_problems(proxy: Proxy, request_bytes: bytes, status: int, code: str) -> None:
    answer = said(proxy, request_bytes)
    problem(answer, status, code)
    assert {name: answer.headers[name] for name in HARDENED} == HARDENED
    assert "nginx/" not in answer.headers["Server"]


def test_plain_http_at_the_port_of_tls_is_a_problem(proxy: Proxy) -> None:
    problem(httpx.get(f"http://{NAME}:{proxy.https_port}/"), 400, "bad-request")


def test_a_flood_of_logins_gets_429_by_address_and_others_get_in(proxy: Proxy, client: httpx.Client) -> None:
    def login(address: str) -> httpx.Response:
        # By a network of its own each, so that what refuses is nginx, not Pulpo's limit on a name.
        wrong = {"username": address.replace(":", "-"), "password": "x"}
        return client.post("/login", data=wrong, headers={"X-Test-Address": address})

    for network in ("192.0.2.{}", "2001:db8:0:1::{}"):
        answers = [login(network.format(7)) for _ in range(40)]
        refused = [answer for answer in answers if answer.json().get("detail", "").startswith("Too many logins from")]
        assert len(refused) >= 10
        for answer in refused:
            problem(answer, 429, "rate-limited")
            assert answer.headers["Retry-After"] == "2"
        neighbour = login(network.format(8))
        is_one_customer = ":" in network
        assert neighbour.json()["detail"].startswith("Too many logins from") is is_one_customer
    assert login("198.51.100.1").status_code == 401
    assert client.get("/count").status_code == 200


def test_an_address_that_a_client_invents_counts_for_nothing(client: httpx.Client) -> None:
    """Not even one that comes from where Pulpo trusts, as this test does."""
    client.post("/login", data={"username": "admin", "password": "x"}, headers={"X-Forwarded-For": "203.0.113.9"})
    entries = client.get("/audit?action=login&target=admin").json()["entries"]
    assert {entry["address"] for entry in entries if entry["outcome"] == "refused"} == {"127.0.0.1"}


@pytest.mark.parametrize(("behind", "address"), [("127.0.0.0/8 ::1", "203.0.113.9"), ("192.0.2.0/24", "127.0.0.1")])
def test_an_address_is_taken_from_what_stands_before_nginx_and_from_nobody_else(
    service: Service, client: httpx.Client, tmp_path: Path, behind: str, address: str
) -> None:
    name = f"from-{address}"
    with proxied(tmp_path, service.url.removeprefix("http://"), behind=behind) as proxy:
        headers = {"Pulpo-Client-Address": "203.0.113.9", "X-Forwarded-For": "198.51.100.7"}
        login = {"username": name, "password": "x"}
        httpx.post(f"{proxy.url}/login", data=login, headers=headers, verify=proxy.trust())
    (entry,) = client.get("/audit?action=login&limit=1").json()["entries"]
    assert entry["address"] == address


def test_pulpo_is_told_the_address_and_nothing_that_passes_for_it(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        proxied(tmp_path, f"127.0.0.1:{listener.getsockname()[1]}") as proxy,
        ThreadPoolExecutor() as pool,
    ):
        asked = {
            "X-Forwarded-For": "203.0.113.9",
            "X_Forwarded_For": "203.0.113.9",
            "X-Test-Address": "192.0.2.77",
            "X-Request-Id": "order-44",
            "Connection": "close",
        }
        answer = pool.submit(httpx.get, proxy.url, headers=asked, verify=proxy.trust())
        connection, _ = listener.accept()
        with connection:
            head = connection.recv(65536).decode("latin-1").lower()
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert answer.result().status_code == 204
    lines = head.split("\r\n")
    assert lines[0] == "get / http/1.1"
    assert [line for line in lines if "forwarded" in line] == [
        "x-forwarded-for: 192.0.2.77",
        "x-forwarded-proto: https",
    ]
    assert {f"host: {NAME}", "x-request-id: order-44"} <= set(lines)
    assert not [line for line in lines if line.startswith("connection")]


def test_the_id_of_a_request_is_handed_on_or_made(proxy: Proxy, service: Service, client: httpx.Client) -> None:
    assert client.get("/", headers={"X-Request-Id": "order-42"}).headers["X-Request-Id"] == "order-42"
    made = client.get("/", headers={"X-Request-Id": "no good"}).headers["X-Request-Id"]
    assert re.fullmatch("[0-9a-f]{32}", made)
    refused = client.get("/metrics", headers={"X-Request-Id": "order-43"})
    assert problem(refused, 404, "not-found")["request_id"] == "order-43"
    log = proxy.directory / "access.log"
    wait_until(lambda: '"request_id":"order-43"' in log.read_text())
    assert {"order-42", "order-43", made} <= set(re.findall('"request_id":"([^"]+)"', log.read_text()))
    wait_until(lambda: made in service.log.read_text())


def test_the_log_has_paths_and_no_queries(proxy: Proxy, client: httpx.Client) -> None:
    client.get("/nowhere-at-all?secret=hunter2")
    client.get("/metrics?secret=hunter2")
    log = proxy.directory / "access.log"
    wait_until(lambda: '"path":"/metrics"' in log.read_text())
    assert '"path":"/nowhere-at-all"' in log.read_text()
    assert "hunter2" not in log.read_text()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python's, that such a thing is asked for
def test_old_tls_is_refused(proxy: Proxy) -> None:
    context = proxy.trust()
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with (
        socket.create_connection(("127.0.0.1", proxy.https_port), timeout=10) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(plain, server_hostname=NAME)


def test_http2_is_spoken(proxy: Proxy) -> None:
    command = ["curl", "-sS", "--http2", "--cacert", str(proxy.certificate), "-o", "/dev/null", "-w", "%{http_version}"]
    assert subprocess.run([*command, proxy.url], check=True, capture_output=True, text=True).stdout == "2"


def test_a_pulpo_that_is_not_there_is_a_problem_and_the_next_node_is_asked(tmp_path: Path, service: Service) -> None:
    nobody, node = f"127.0.0.1:{free_port()}", service.url.removeprefix("http://")
    alone, both = tmp_path / "alone", tmp_path / "both"
    alone.mkdir()
    both.mkdir()
    with proxied(alone, nobody) as proxy:
        answer = httpx.post(f"{proxy.url}/pop", verify=proxy.trust())
        problem(answer, 502, "unreachable")
        assert answer.headers["Retry-After"] == "1"
    with proxied(both, nobody, node) as proxy, httpx.Client(verify=proxy.trust()) as client:
        assert {client.post(f"{proxy.url}/pop").status_code for _ in range(20)} == {401}
