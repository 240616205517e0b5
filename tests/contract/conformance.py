"""Sends schemathesis against a running service: does every route take and answer what its document says?

    python -m tests.contract.conformance [--examples 600] [--seed N] [--phases examples,coverage,fuzzing]

With a token, on all routes. What the document cannot say stands in schemathesis.toml.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.service import Service, running

CONFIG = Path(__file__).with_name("schemathesis.toml")
PROGRAM = Path(sys.executable).with_name("schemathesis")
# They can end the token that they are called with, so they have a user and a run of their own.
ENDS_THE_TOKEN = ("login_logout", "login_change_password", "users_change", "users_remove")
USER = {"username": "passing", "password": "a password for a while", "roles": ["admin"]}
REQUEST_SECONDS = "40"  # a pop may wait 20
# Most wait for messages that do not come, so they have a run of their own.
WAITS = ("pop_pop", "pop_pop_of_queue")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--phases", default="examples,coverage,fuzzing,stateful")
    asked = parser.parse_args(arguments)
    with running(PULPO_WORKERS="2", PULPO_FSYNC="always") as service:
        return conform(service, asked.examples, asked.seed, asked.phases)


def conform(service: Service, examples: int, seed: int, phases: str) -> int:
    """Runs both; returns 0 if nothing failed and the token is good to the end."""
    headers = {"Authorization": f"Bearer {service.token()}"}
    with httpx.Client(base_url=service.url, headers=headers) as admin:
        admin.post("/users", json=USER).raise_for_status()
        login = admin.post("/login", json={name: USER[name] for name in ("username", "password")})
        how = ["--max-examples", str(examples), "--seed", str(seed), "--phases", phases]
        passing = f"Bearer {login.raise_for_status().json()['access_token']}"
        runs = (
            (headers["Authorization"], _each("--exclude-operation-id", ENDS_THE_TOKEN + WAITS)),
            (headers["Authorization"], _each("--include-operation-id", WAITS)),
            (passing, _each("--include-operation-id", ENDS_THE_TOKEN)),
        )
        with ThreadPoolExecutor(len(runs)) as pool:
            started = [pool.submit(run, service, credential, [*how, *which]) for credential, which in runs]
            failed = sum(each.result() for each in started)
        admin.get("/me").raise_for_status()
    log = service.log.read_text()
    faults = [line for line in log.splitlines() if '"status":500' in line]
    if faults:
        print(*(line for line in log.splitlines() if not line.startswith("{")), sep="\n")
    print(f"conformance: {failed} runs failed, {len(faults)} answers of 500, seed {seed}")
    return 1 if failed or faults else 0


def run(service: Service, credential: str, options: list[str]) -> int:
    """Prints what schemathesis found; 1 if it found something."""
    command = [str(PROGRAM), "--config-file", str(CONFIG), "run", f"{service.url}/openapi.json"]
    fixed = ["--header", f"Authorization: {credential}", "--checks", "all", "--continue-on-failure", "--no-color"]
    fixed += ["--request-timeout", REQUEST_SECONDS]
    done = subprocess.run(
        [*command, *fixed, *options], cwd=service.directory, capture_output=True, text=True, check=False
    )
    print(done.stdout if done.returncode else _summary(done.stdout), done.stderr, flush=True)
    return int(done.returncode != 0)


def _each(option: str, names: tuple[str, ...]) -> list[str]:
    return [part for name in names for part in (option, name)]


def _summary(report: str) -> str:
    found = re.search(r"Test cases:\n\s+(.*)", report)
    return f"schemathesis: {found[1] if found else report[-2000:]}"


if __name__ == "__main__":
    sys.exit(main())
