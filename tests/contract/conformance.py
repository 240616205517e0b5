"""Sends schemathesis against a running service: does every route take and answer what its document says?

    python -m tests.contract.conformance [--examples 300] [--seed N] [--phases examples,coverage,fuzzing]

With a token, on all routes. What the document cannot say stands in schemathesis.toml.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx

from tests.service import Service

CONFIG = Path(__file__).with_name("schemathesis.toml")
PROGRAM = Path(sys.executable).with_name("schemathesis")
# They can end the token that they are called with, so they have a user and a run of their own.
ENDS_THE_TOKEN = ("login_logout", "login_change_password", "users_change", "users_remove")
USER = {"username": "passing", "password": "a password for a while", "roles": ["admin"]}
REQUEST_SECONDS = "40"  # a pop may wait 20
WORKERS = "4"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--phases", default="examples,coverage,fuzzing,stateful")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        service = Service(Path(directory), PULPO_WORKERS="2", PULPO_FSYNC="always")
        try:
            service.start()
            return conform(service, asked.examples, asked.seed, asked.phases)
        finally:
            service.kill()


def conform(service: Service, examples: int, seed: int, phases: str) -> int:
    """Runs both; returns 0 if nothing failed and the token is good to the end."""
    headers = {"Authorization": f"Bearer {service.token()}"}
    with httpx.Client(base_url=service.url, headers=headers) as admin:
        admin.post("/users", json=USER).raise_for_status()
        login = admin.post("/login", json={name: USER[name] for name in ("username", "password")})
        how = ["--max-examples", str(examples), "--seed", str(seed), "--phases", phases]
        excluded = [part for name in ENDS_THE_TOKEN for part in ("--exclude-operation-id", name)]
        failed = run(service, headers["Authorization"], [*how, *excluded])
        admin.get("/me").raise_for_status()
        included = [part for name in ENDS_THE_TOKEN for part in ("--include-operation-id", name)]
        failed += run(service, f"Bearer {login.raise_for_status().json()['access_token']}", [*how, *included])
    faults = [line for line in service.log.read_text().splitlines() if '"status":500' in line]
    print(f"conformance: {failed} runs failed, {len(faults)} answers of 500, seed {seed}")
    return 1 if failed or faults else 0


def run(service: Service, credential: str, options: list[str]) -> int:
    """Prints what schemathesis found; 1 if it found something."""
    command = [str(PROGRAM), "--config-file", str(CONFIG), "run", f"{service.url}/openapi.json"]
    fixed = ["--header", f"Authorization: {credential}", "--checks", "all", "--continue-on-failure", "--no-color"]
    fixed += ["--request-timeout", REQUEST_SECONDS, "--workers", WORKERS]
    done = subprocess.run([*command, *fixed, *options], capture_output=True, text=True, check=False)
    print(done.stdout if done.returncode else _summary(done.stdout), done.stderr, flush=True)
    return int(done.returncode != 0)


def _summary(report: str) -> str:
    found = re.search(r"Test cases:\n\s+(.*)", report)
    return f"schemathesis: {found[1] if found else report[-2000:]}"


if __name__ == "__main__":
    sys.exit(main())
