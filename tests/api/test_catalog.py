"""The queues themselves: the list of them, changes that do not cross, purge and delete."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from app.models import NewMessage
from app.settings import Settings
from tests.api.answers import pointers, problem
from tests.conftest import MakeApp, client_of
from tests.stores import queue_catalog, queue_store


def push(client: FlaskClient, queue: str, *bodies: object, **options: object) -> None:
    messages = [{"message": body, **options} for body in bodies]
    assert client.post(f"/queues/{queue}/push", json={"messages": messages}).status_code == 201


def names(client: FlaskClient, limit: int = 2, options: str = "") -> list[str]:
    found: list[str] = []
    cursor = options
    while True:
        page = client.get(f"/queues?limit={limit}{cursor}").get_json()
        found += [item["queue"] for item in page["queues"]]
        if page["next_cursor"] is None:
            return found
        cursor = f"{options}&cursor={page['next_cursor']}"


class TestList:
    def test_it_shows_every_queue_with_its_counts(self, admin: FlaskClient) -> None:
        push(admin, "b", 1, 2)
        admin.put("/queues/a", json={})
        assert admin.get("/queues").get_json() == {
            "queues": [
                {
                    "queue": "a",
                    **dict.fromkeys(("count", "ready", "delayed", "leased", "dead", "bytes"), 0),
                    "oldest_age": None,
                },
                admin.get("/queues/b/count").get_json() | {"oldest_age": pytest.approx(0, abs=2)},
            ],
            "next_cursor": None,
        }

    def test_details_are_the_totals_and_pauses_of_each_queue(self, admin: FlaskClient) -> None:
        push(admin, "b", 1, 2)
        admin.put("/queues/a", json={})
        admin.post("/queues/b/pause", json={"operation": "pop"})
        first, second = admin.get("/queues?details=true").get_json()["queues"]
        for listed in (first, second):
            alone = admin.get(f"/queues/{listed['queue']}").get_json()
            assert (listed["totals"], listed["paused"]) == (alone["totals"], alone["paused"])
            for state in ("ready", "delayed", "leased", "dead"):
                assert listed[state] == alone["counts"][state]
        assert (second["totals"]["pushed"], second["paused"]) == (2, {"pop": {"until": None}})
        assert "totals" not in admin.get("/queues?details=false").get_json()["queues"][0]
        problem(admin.get("/queues?details=some"), 422, "invalid")

    def test_details_of_many_queues_come_in_pages_without_a_gap(self, admin: FlaskClient, redis_client: Redis) -> None:
        every = [f"q{place:03}" for place in range(260)]
        for queue in every:
            push(admin, queue, 1)
        redis_client.zadd("pulpo:queues", {"q100-struck-off": 0})
        assert names(admin, 260, "&details=true") == every
        assert names(admin, 101, "&details=true") == every

    @pytest.mark.parametrize("limit", [1, 2, 3, 5, 1000])
    def test_pages_meet_without_a_gap(self, admin: FlaskClient, limit: int) -> None:
        every = [f"q{place}" for place in range(5)]
        for queue in every:
            push(admin, queue, 1)
        assert names(admin, limit) == every

    def test_a_caller_sees_what_they_may_count(self, admin: FlaskClient, app: Flask) -> None:
        for queue in ("orders.a", "orders.b", "other"):
            push(admin, queue, 1)
        assert names(client_of(app, "orders-producer")) == []
        admin.patch("/users/orders-producer", json={"permissions": ["count:orders.*"]})
        assert names(client_of(app, "orders-producer")) == ["orders.a", "orders.b"]

    def test_a_name_without_a_queue_is_not_shown(self, admin: FlaskClient, redis_client: Redis) -> None:
        push(admin, "b", 1)
        redis_client.zadd("pulpo:queues", {"a": 0, "c": 0})
        assert names(admin) == ["b"]

    def test_a_queue_that_a_deletion_and_a_push_cross_is_listed(self, redis_client: Redis) -> None:
        store, other, catalog = queue_store(redis_client), queue_store(redis_client), queue_catalog(redis_client)
        other.push("q", [NewMessage(b"1")], None)
        deletes = store._index.add

        def add_then_delete(queue: str) -> None:
            deletes(queue)
            catalog.delete(queue)

        store._index.add = add_then_delete  # type: ignore[method-assign]
        store.push("q", [NewMessage(b"2")], None)
        assert catalog.page(after="", limit=10) == ["q"]

    def test_a_process_that_knew_a_queue_lists_it_again(self, redis_client: Redis) -> None:
        store, catalog = queue_store(redis_client), queue_catalog(redis_client)
        store.push("q", [NewMessage(b"1")], None)
        catalog.delete("q")
        store.push("q", [NewMessage(b"2")], None)
        assert catalog.page(after="", limit=10) == ["q"]

    def test_a_refused_first_push_takes_no_place(self, admin: FlaskClient, redis_client: Redis) -> None:
        two = [{"message": 1, "key": "k"}, {"message": 2, "key": "k"}]
        answer = admin.post("/queues/q/push", json={"messages": two})
        assert pointers(problem(answer, 422, "idempotency-key-reused")) == ["/messages/1/key"]
        assert redis_client.exists("pulpo:queues") == 0

    def test_no_cursor_tells_of_a_queue_that_the_caller_may_not_see(
        self, admin: FlaskClient, app: Flask, redis_client: Redis
    ) -> None:
        push(admin, "a", 1)
        redis_client.zadd("pulpo:queues", {f"secret-{place:04}": 0 for place in range(2500)})
        admin.patch("/users/nobody", json={"permissions": ["count:a"]})
        page = client_of(app, "nobody").get("/queues?limit=1").get_json()
        assert ([each["queue"] for each in page["queues"]], page["next_cursor"]) == (["a"], None)

    def test_there_are_as_many_queues_as_the_setting_allows(self, settings: Settings, make_app: MakeApp) -> None:
        admin = client_of(make_app(msgspec.structs.replace(settings, max_queues=2)), "admin")
        push(admin, "a", 1)
        admin.put("/queues/b", json={})
        refused = admin.post("/queues/c/push", json={"message": 1})
        assert "PULPO_MAX_QUEUES" in problem(refused, 429, "too-many-queues")["detail"]
        problem(admin.put("/queues/c", json={}), 429, "too-many-queues")
        problem(admin.get("/queues/c"), 404, "queue-not-found")
        push(admin, "a", 2)
        admin.delete("/queues/b?confirm=b")
        push(admin, "c", 1)


class TestChange:
    def test_what_a_patch_does_not_name_stays(self, admin: FlaskClient) -> None:
        admin.put("/queues/q", json={"lease": 60, "backoff": {"base": 2, "max": 20}, "ttl": 5})
        answer = admin.patch("/queues/q", json={"backoff": {"max": 10}, "ttl": None, "max_messages": 7})
        settings = answer.get_json()["settings"]
        assert (settings["lease"], settings["max_messages"], settings["ttl"]) == (60, 7, None)
        assert settings["backoff"] == {"base": 2, "factor": 2, "max": 10}
        assert admin.get("/queues/q").get_json()["settings"] == settings
        assert answer.headers["ETag"] == admin.get("/queues/q").headers["ETag"]

    @pytest.mark.parametrize(
        ("own", "patch"), [({"base": 1, "max": 3600}, {"base": 400}), ({"base": 0.1, "max": 600}, {"max": 0.5})]
    )
    def test_a_patch_is_checked_against_what_is_there(
        self, admin: FlaskClient, own: dict[str, float], patch: dict[str, float]
    ) -> None:
        admin.put("/queues/q", json={"backoff": own})
        answer = admin.patch("/queues/q", json={"backoff": patch})
        assert answer.get_json()["settings"]["backoff"] == {"factor": 2} | own | patch
        problem(admin.patch("/queues/none", json={"backoff": patch}), 404, "queue-not-found")

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"lease": 0}, "/lease"),
            ({"backoff": {"max": 1}}, "/backoff/base"),
            ({"backoff": 1}, "/backoff"),
            ({"unknown": 1}, ""),
            ([], ""),
            ({"lease": True}, "/lease"),
            ({"ttl": 31_536_001}, "/ttl"),
        ],
    )
    def test_a_change_that_does_not_fit_is_refused(self, admin: FlaskClient, body: object, pointer: str) -> None:
        admin.put("/queues/q", json={"backoff": {"base": 2, "max": 20}})
        tag = admin.get("/queues/q").headers["ETag"]
        assert pointers(problem(admin.patch("/queues/q", json=body), 422, "invalid")) == [pointer]
        assert admin.get("/queues/q").headers["ETag"] == tag

    def test_only_who_saw_the_newest_settings_may_change_them(self, admin: FlaskClient) -> None:
        first = admin.put("/queues/q", json={}).headers["ETag"]
        second = admin.patch("/queues/q", json={"lease": 5}, headers={"If-Match": first}).headers["ETag"]
        for method in (admin.put, admin.patch):
            problem(method("/queues/q", json={"lease": 6}, headers={"If-Match": first}), 412, "precondition-failed")
            problem(method("/queues/q", json={}, headers={"If-Match": f"W/{second}"}), 412, "precondition-failed")
        assert admin.get("/queues/q").get_json()["settings"]["lease"] == 5
        both = {"If-Match": f"{first}, {second}"}
        assert admin.put("/queues/q", json={"lease": 7}, headers=both).status_code == 200
        assert admin.put("/queues/q", json={"lease": 8}, headers={"If-Match": "*"}).status_code == 200

    def test_if_match_makes_no_queue(self, admin: FlaskClient) -> None:
        for tag in ("*", '"x"', '""', "", "x", 'W/""', '"", "x"'):
            problem(admin.put("/queues/q", json={}, headers={"If-Match": tag}), 412, "precondition-failed")
        problem(admin.patch("/queues/q", json={}), 404, "queue-not-found")
        assert names(admin) == []

    def test_a_pause_is_no_setting_and_outlives_a_change(self, admin: FlaskClient) -> None:
        admin.put("/queues/q", json={})
        admin.post("/queues/q/pause")
        admin.put("/queues/q", json={"lease": 9})
        assert admin.get("/queues/q").get_json()["paused"].keys() == {"push", "pop"}

    def test_all_there_is_to_say_of_a_queue(self, admin: FlaskClient) -> None:
        push(admin, "q", 1)
        push(admin, "q", 2, delay=60)
        known = admin.get("/queues/q").get_json()
        assert known.keys() == {"queue", "settings", "totals", "counts", "paused", "next_due", "waiters"}
        assert known["counts"] == {
            "ready": 1,
            "delayed": 1,
            "leased": 0,
            "dead": 0,
            "bytes": 2,
            "oldest_age": known["counts"]["oldest_age"],
        }
        assert (known["paused"], known["waiters"], known["next_due"][-1]) == ({}, 0, "Z")


class TestPurge:
    def fill(self, admin: FlaskClient) -> None:
        """2 ready, 1 delayed, 1 leased, 1 dead."""
        push(admin, "q", 1, 2)
        first, second = admin.post("/queues/q/pop", json={"max": 2, "lease": 30}).get_json()["messages"]
        self.receipt = first["receipt"]
        admin.post("/nack", json={"receipt": second["receipt"], "dead": True})
        push(admin, "q", 3, delay=60)
        push(admin, "q", 4, 5)

    @pytest.mark.parametrize(("state", "gone"), [("ready", 2), ("delayed", 1), ("leased", 1), ("dead", 1), ("all", 5)])
    def test_it_empties_what_it_is_told(self, admin: FlaskClient, state: str, gone: int) -> None:
        self.fill(admin)
        before = admin.get("/queues/q/count").get_json()
        answer = admin.post(f"/queues/q/purge?confirm=q&state={state}").get_json()
        assert answer == {"queue": "q", "purged": gone, "remaining": 0}
        after = admin.get("/queues/q/count").get_json()
        emptied = ("ready", "delayed", "leased", "dead") if state == "all" else (state,)
        assert [after[name] for name in emptied] == [0] * len(emptied)
        assert sum(after[name] for name in ("ready", "delayed", "leased", "dead")) == 5 - gone
        assert after["bytes"] == before["bytes"] - gone
        assert admin.get("/queues/q").get_json()["totals"]["purged"] == gone

    def test_what_ran_out_of_its_last_lease_died_before_it_was_purged(
        self, admin: FlaskClient, end_leases: Callable[[str], None]
    ) -> None:
        admin.put("/queues/q", json={"max_attempts": 1})
        push(admin, "q", 1)
        admin.post("/queues/q/pop", json={"lease": 30})
        end_leases("q")
        assert admin.post("/queues/q/purge?confirm=q&state=dead").get_json()["purged"] == 1
        totals = admin.get("/queues/q").get_json()["totals"]
        assert (totals["died"], totals["purged"]) == (1, 1)

    def test_a_receipt_of_what_was_purged_finds_nothing(self, admin: FlaskClient) -> None:
        self.fill(admin)
        admin.post("/queues/q/purge?confirm=q")
        problem(admin.post("/ack", json={"receipt": self.receipt}), 404, "message-not-found")

    def test_settings_and_pauses_stay(self, admin: FlaskClient) -> None:
        admin.put("/queues/q", json={"lease": 9})
        self.fill(admin)
        admin.post("/queues/q/pause", json={"operation": "pop"})
        admin.post("/queues/q/purge?confirm=q")
        known = admin.get("/queues/q").get_json()
        assert (known["settings"]["lease"], list(known["paused"]), known["totals"]["pushed"]) == (9, ["pop"], 5)

    def test_more_than_a_step_goes_too(self, admin: FlaskClient) -> None:
        for _ in range(3):
            push(admin, "q", *range(1000))
        answer = admin.post("/queues/q/purge?confirm=q&state=ready").get_json()
        assert (answer["purged"], answer["remaining"]) == (3000, 0)

    @pytest.mark.parametrize("query", ["", "?confirm=r", "?confirm=q&state=gone", "?confirm=q&x=1"])
    def test_without_a_right_confirmation_nothing_goes(self, admin: FlaskClient, query: str) -> None:
        self.fill(admin)
        problem(admin.post(f"/queues/q/purge{query}"), 422, "invalid")
        assert admin.get("/queues/q/count").get_json()["ready"] == 2

    def test_it_needs_a_queue_and_a_manager(self, admin: FlaskClient, consumer: FlaskClient) -> None:
        problem(consumer.post("/queues/q/purge?confirm=q"), 403, "forbidden")
        problem(admin.post("/queues/q/purge?confirm=q"), 404, "queue-not-found")


class TestDelete:
    def test_nothing_of_the_queue_is_left(self, admin: FlaskClient, redis_client: Redis) -> None:
        TestPurge().fill(admin)
        push(admin, "q", 6, 7, group="g")
        assert admin.delete("/queues/q?confirm=q").get_json() == {"queue": "q"}
        assert redis_client.keys("pulpo:{q}:*") == []
        assert names(admin) == []
        problem(admin.get("/queues/q"), 404, "queue-not-found")

    def test_a_queue_made_anew_swallows_nothing_and_honours_no_old_receipt(self, admin: FlaskClient) -> None:
        def push_under_keys() -> str:
            headers = {"Idempotency-Key": "request"}
            answer = admin.post("/queues/q/push", json={"message": 1, "key": "message"}, headers=headers)
            assert answer.status_code == 201
            return str(answer.get_json()["id"])

        def lease_under_a_key() -> str:
            headers = {"Idempotency-Key": "request"}
            return str(admin.post("/queues/q/pop", json={"lease": 30}, headers=headers).get_json()["receipt"])

        first, old = push_under_keys(), lease_under_a_key()
        admin.delete("/queues/q?confirm=q")
        assert push_under_keys() != first
        new = lease_under_a_key()
        assert new != old
        problem(admin.post("/ack", json={"receipt": old}), 404, "message-not-found")
        assert admin.post("/ack", json={"receipt": new}).status_code == 200
        assert names(admin) == ["q"]

    def test_without_a_right_confirmation_nothing_goes(self, admin: FlaskClient) -> None:
        push(admin, "q", 1)
        for query in ("", "?confirm=", "?confirm=r", "?confirm=q&x=1"):
            problem(admin.delete(f"/queues/q{query}"), 422, "invalid")
        assert admin.get("/queues/q/count").get_json()["ready"] == 1

    def test_it_needs_a_queue_and_a_manager(self, admin: FlaskClient, consumer: FlaskClient) -> None:
        problem(consumer.delete("/queues/q?confirm=q"), 403, "forbidden")
        problem(admin.delete("/queues/q?confirm=q"), 404, "queue-not-found")
