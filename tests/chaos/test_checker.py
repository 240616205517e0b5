"""The checker sees each promise broken, and accuses nobody of what may have been."""

from __future__ import annotations

from typing import Any

from tests.chaos.checker import check
from tests.chaos.record import History, Letter, Outcome, Pop, Push, Settled, Settlement, Span, Taken

OK, REFUSED, UNKNOWN = Outcome.OK, Outcome.REFUSED, Outcome.UNKNOWN
STATUS = {OK: 200, REFUSED: 409, UNKNOWN: 503}


def push(began: float, *numbers: int, outcome: Outcome = OK, ids: str = "", **more: Any) -> Push:
    answered = tuple(ids.split()) if ids else tuple(f"id{number}" for number in numbers) if outcome is OK else ()
    return Push(
        began=began,
        ended=began + 0.1,
        outcome=outcome,
        status=STATUS[outcome],
        node=0,
        queue="q",
        numbers=numbers,
        ids=answered,
        **more,
    )


def pop(began: float, number: int, receipt: str, attempt: int = 1, *, message_id: str = "", lease: float = 5.0) -> Pop:
    return Pop(
        began=began,
        ended=began + 0.1,
        outcome=OK,
        status=200,
        node=0,
        queue="q",
        lease_seconds=lease,
        since=began,
        taken=(Taken(number, message_id or f"id{number}", receipt, attempt),),
    )


def settle(
    began: float, number: int, receipt: str, result: str = "acked", *, attempt: int = 1, kind: str = "ack", **more: Any
) -> Settlement:
    outcome = {"": UNKNOWN, "acked": OK, "nacked": OK, "extended": OK}.get(result, REFUSED)
    return Settlement(
        began=began,
        ended=began + 0.1,
        outcome=outcome,
        status=STATUS[outcome],
        node=0,
        queue="",
        kind=kind,
        settled=(Settled(number, receipt, attempt, result),),
        **more,
    )


def span(injected: float, whole: float, kind: str = "kill primary", *, can_roll_back: bool = True) -> Span:
    return Span(kind, "p", injected, whole - 1, whole, 1.0, was_got_over=False, can_roll_back=can_roll_back)


def history(*what: Push | Pop | Settlement | Span | Letter) -> History:
    made = History()
    for each in what:
        match each:
            case Span():
                made.spans.append(each)
            case Letter():
                made.letters.append(each)
            case _:
                made.add(each)
    return made


def rules(*what: Push | Pop | Settlement | Span | Letter) -> list[str]:
    """What is found on a standalone server."""
    broken, rolled_back = check(history(*what))
    assert not rolled_back
    return sorted(violation.rule for violation in broken)


def test_a_message_that_was_pushed_delivered_and_acked_breaks_nothing() -> None:
    assert rules(push(1, 7), pop(2, 7, "r"), settle(3, 7, "r")) == []


def test_a_push_that_was_answered_and_never_seen_is_lost() -> None:
    assert rules(push(1, 7)) == ["lost"]


def test_a_message_that_was_delivered_and_then_gone_is_lost() -> None:
    assert rules(push(1, 7), pop(2, 7, "r"), settle(9, 7, "r", "message-not-found")) == ["lost"]


def test_a_message_whose_ack_is_unknown_may_be_gone() -> None:
    assert rules(push(1, 7), pop(2, 7, "r"), settle(3, 7, "r", "")) == []


def test_a_message_whose_extension_is_unknown_may_not_be_gone() -> None:
    assert rules(push(1, 7), pop(2, 7, "r"), settle(3, 7, "r", "", kind="extend")) == ["lost"]


def test_a_message_that_was_buried_and_is_not_among_the_dead_is_lost() -> None:
    buried = settle(3, 7, "r", "nacked", kind="nack", buries=True)
    assert rules(push(1, 7), pop(2, 7, "r"), buried) == ["lost"]
    assert rules(push(1, 7), pop(2, 7, "r"), buried, Letter(7, "id7")) == []


def test_a_message_that_was_only_given_back_is_lost() -> None:
    assert rules(push(1, 7), pop(2, 7, "r"), settle(3, 7, "r", "nacked", kind="nack")) == ["lost"]


def test_a_push_that_was_answered_after_a_repetition_is_lost_as_any_other() -> None:
    assert rules(push(1, 7, outcome=UNKNOWN, key="k"), push(2, 7, key="k")) == ["lost"]


def test_a_dead_letter_is_not_lost() -> None:
    assert rules(push(1, 7), Letter(7, "id7")) == []


def test_a_push_that_is_not_known_may_be_in_or_not() -> None:
    assert rules(push(1, 7, outcome=UNKNOWN), push(2, 8, outcome=UNKNOWN), pop(3, 8, "r"), settle(4, 8, "r")) == []


def test_a_refused_push_that_is_delivered_came_from_nowhere() -> None:
    assert rules(push(1, 7, outcome=REFUSED), pop(2, 7, "r"), settle(3, 7, "r")) == ["from nowhere"]


def test_a_message_that_nobody_pushed_came_from_nowhere() -> None:
    assert rules(pop(2, 7, "r"), settle(3, 7, "r")) == ["from nowhere"]


def test_a_repeated_push_with_another_id_was_made_twice() -> None:
    first, again = push(1, 7, outcome=UNKNOWN, key="k"), push(2, 7, key="k", ids="b")
    assert rules(first, again, pop(3, 7, "r", message_id="b"), settle(4, 7, "r")) == []
    assert rules(first, again, pop(3, 7, "r", message_id="a"), settle(4, 7, "r")) == ["made twice"]


def test_a_message_that_is_delivered_after_its_ack_came_back() -> None:
    assert rules(push(1, 7), pop(2, 7, "r"), settle(3, 7, "r"), pop(3.2, 7, "s", 2)) == ["came back"]


def test_a_delivery_that_was_asked_for_before_the_ack_was_answered_may_be_older() -> None:
    assert rules(push(1, 7), pop(2, 7, "r", lease=1), pop(3.95, 7, "s", 2), settle(4, 7, "s", attempt=2)) == []


def test_an_ack_of_an_older_delivery_than_the_newest_was_too_late() -> None:
    what = push(1, 7), pop(2, 7, "r", lease=1), pop(3.95, 7, "s", 2), settle(3.9, 7, "r")
    assert rules(*what) == ["acked too late"]


def test_two_primaries_at_once_may_deliver_what_one_of_them_has_acked_for_good() -> None:
    """The old one counted on; its lease is undone once it follows the new one, which proves the ack."""
    what = push(1, 7), pop(2, 7, "r", 1), pop(2.5, 7, "s", 4), settle(3, 7, "r")
    broken, rolled_back = check(history(*what, span(1.5, 8)), replicated=True)
    assert broken == []
    assert "acked too late" in {violation.rule for violation in rolled_back}
    assert "acked too late" in rules(*what)


def test_attempts_that_a_failover_counts_anew_are_older() -> None:
    what = push(1, 7), pop(2, 7, "r", lease=1), pop(4, 7, "s", 2, lease=1), pop(9, 7, "t", 1), settle(9.5, 7, "t")
    assert rules(*what) == []


def test_an_acked_message_among_the_dead_came_back() -> None:
    assert rules(push(1, 7), pop(2, 7, "r"), settle(3, 7, "r"), Letter(7, "id7")) == ["came back"]


def test_a_receipt_that_acks_twice_is_honoured_twice() -> None:
    assert rules(push(1, 7), pop(2, 7, "r"), settle(3, 7, "r"), settle(4, 7, "r")) == ["honoured twice"]


def test_a_receipt_that_gives_back_and_then_acks_is_honoured_twice() -> None:
    what = push(1, 7), pop(2, 7, "r"), settle(3, 7, "r", "nacked", kind="nack"), settle(4, 7, "r")
    assert rules(*what) == ["honoured twice"]


def test_a_receipt_that_counts_after_the_message_was_leased_again_is_not_fenced() -> None:
    leased_again = push(1, 7), pop(2, 7, "r", lease=1), pop(4, 7, "s", 2), settle(9, 7, "s", attempt=2)
    assert rules(*leased_again, settle(5, 7, "r", "lease-lost")) == []
    assert rules(*leased_again, settle(5, 7, "r", "extended", kind="extend")) == ["not fenced"]


def test_a_message_that_is_delivered_while_it_is_leased_is_leased_to_two() -> None:
    acked = settle(9, 7, "s", attempt=2)
    assert rules(push(1, 7), pop(2, 7, "r"), pop(4, 7, "s", 2), acked) == ["leased to two"]
    assert rules(push(1, 7), pop(2, 7, "r", lease=1), pop(4, 7, "s", 2), acked) == []


def test_a_message_that_may_have_been_given_back_is_not_leased_to_two() -> None:
    back = settle(3, 7, "r", "", kind="nack")
    assert rules(push(1, 7), pop(2, 7, "r"), back, pop(4, 7, "s", 2), settle(5, 7, "s", attempt=2)) == []


def test_a_repeated_pop_that_answers_the_same_receipt_breaks_nothing() -> None:
    assert rules(push(1, 7), pop(2, 7, "r"), pop(3, 7, "r"), settle(4, 7, "r")) == []


def test_a_batch_of_which_a_part_is_missing_is_half() -> None:
    batch = push(1, 7, 8, outcome=UNKNOWN)
    assert rules(batch) == []
    assert rules(batch, pop(2, 7, "r"), settle(3, 7, "r")) == ["half a batch"]
    assert rules(batch, pop(2, 7, "r"), settle(3, 7, "r"), Letter(8, "id8")) == []


def test_a_message_before_its_predecessor_is_settled_is_out_of_order() -> None:
    pushed = push(1, 7, group="g"), push(1.5, 8, group="g")
    one, two = pop(2, 7, "r"), pop(2.5, 8, "s")
    assert rules(*pushed, one, two, settle(5, 7, "r"), settle(6, 8, "s")) == ["out of order"]
    assert rules(*pushed, one, settle(2.3, 7, "r", ""), two, settle(6, 8, "s")) == []


def test_a_message_that_was_lost_does_not_hold_up_the_one_behind_it() -> None:
    pushed = push(1, 7, group="g"), push(1.5, 8, group="g")
    assert rules(*pushed, pop(2, 8, "s"), settle(3, 8, "s")) == ["lost"]


def test_a_message_after_one_behind_it_is_out_of_order() -> None:
    pushed = push(1, 7, 8, group="g")
    acks = settle(2.3, 7, "r", ""), settle(6, 8, "s")
    late = pop(7, 7, "t", 2), settle(7.2, 7, "t", attempt=2)
    assert rules(pushed, pop(2, 7, "r", lease=1), acks[0], pop(2.5, 8, "s"), acks[1], *late) == ["out of order"]


def test_a_message_whose_push_is_unknown_may_stand_anywhere_behind() -> None:
    pushed = push(1, 7, group="g", outcome=UNKNOWN), push(1.5, 8, group="g")
    assert rules(*pushed, pop(2, 8, "s"), settle(3, 8, "s"), pop(4, 7, "r"), settle(5, 7, "r")) == []


def test_groups_do_not_wait_for_each_other() -> None:
    pushed = push(1, 7, group="g"), push(1.5, 8, group="h")
    assert rules(*pushed, pop(2, 7, "r"), pop(2.5, 8, "s"), settle(5, 7, "r"), settle(6, 8, "s")) == []


def test_a_call_that_is_not_answered_hangs_unless_its_process_stood_still() -> None:
    hung = Push(began=1, ended=11, outcome=UNKNOWN, status=0, node=0, queue="q", numbers=(7,))
    assert rules(hung) == ["hung"]
    assert rules(hung, span(2, 6, "stop worker", can_roll_back=False)) == []


def test_an_answer_of_500_is_a_fault() -> None:
    failed = Push(began=1, ended=2, outcome=UNKNOWN, status=500, node=0, queue="q", numbers=(7,))
    assert rules(failed) == ["answered 5xx"]


def test_only_what_was_done_around_a_failover_may_be_undone_by_it() -> None:
    back = push(1, 7), pop(2, 7, "r"), settle(3, 7, "r"), pop(9, 7, "s", 2), settle(9.5, 7, "s", attempt=2)
    for fault, undone in ((span(3.5, 8), True), (span(5, 8), False), (span(3.5, 8, can_roll_back=False), False)):
        broken, rolled_back = check(history(*back, fault), replicated=True, durable=False)
        assert [violation.rule for violation in rolled_back] == ["came back"] * undone
        assert [violation.rule for violation in broken] == ["came back"] * (not undone)


def test_a_durable_ack_is_not_undone_by_failover_either() -> None:
    back = push(1, 7), pop(2, 7, "r"), settle(3, 7, "r"), pop(9, 7, "s", 2), settle(9.5, 7, "s", attempt=2)
    broken, rolled_back = check(history(*back, span(3.5, 8)), replicated=True)
    assert ([violation.rule for violation in broken], rolled_back) == (["came back"], [])


def test_a_durable_push_is_not_lost_by_failover_either() -> None:
    fault = span(1.5, 8)
    assert [violation.rule for violation in check(history(push(1, 7), fault), replicated=True)[0]] == ["lost"]
    assert check(history(push(1, 7), fault), replicated=True, durable=False)[0] == []
