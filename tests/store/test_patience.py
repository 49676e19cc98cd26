"""How long a store that does not answer is asked again, by a clock that only waiting moves."""

from __future__ import annotations

import pytest

from lbray.errors import StoreUnavailable
from lbray.store import patience
from lbray.store.patience import Patience


class Clock:
    """Stands in for `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(patience, "time", made)
    return made


class Away:
    """A store that does not answer before its time, or refuses."""

    def __init__(self, clock: Clock, back_at: float, says: str = "timed out") -> None:
        self._clock, self._back_at, self._says = clock, back_at, says
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        if self._clock.now < self._back_at:
            raise OSError(self._says)
        return "answer"


def test_a_store_is_asked_again_until_it_answers(clock: Clock):
    store = Away(clock, back_at=1200)
    assert Patience("s3://bucket", 300)(store) == "answer"
    assert 1200 <= clock.now <= 1220
    assert 10 < store.asked < 40, "at growing intervals, of 20 s at most"


def test_it_is_given_up_when_the_next_question_would_come_too_late(clock: Clock):
    with pytest.raises(
        StoreUnavailable, match=r"the store 's3://bucket' cannot be used: timed out\."
    ):
        Patience("s3://bucket", 300)(Away(clock, back_at=1e9))
    assert 1270 <= clock.now <= 1300


def test_time_counts_over_all_that_is_asked_until_there_is_an_answer(clock: Clock):
    patiently, away = Patience("s3://bucket", 300), Away(clock, back_at=1e9)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            patiently(away)
    assert clock.now <= 1300, "the second was not waited for"
    assert patiently(lambda: "answer") == "answer"
    with pytest.raises(StoreUnavailable):
        patiently(away)
    assert clock.now > 1500


@pytest.mark.parametrize("says", ["AWS Error ACCESS_DENIED", "HTTP status 403", "NO_SUCH_BUCKET"])
def test_a_refusal_is_not_asked_again(clock: Clock, says: str):
    store = Away(clock, back_at=1e9, says=says)
    with pytest.raises(StoreUnavailable):
        Patience("s3://bucket", 300)(store)
    assert store.asked == 1


def test_what_is_not_the_stores_failing_is_passed_on(clock: Clock):
    with pytest.raises(ZeroDivisionError):
        Patience("s3://bucket", 300)(lambda: 1 / 0)


def test_another_thread_may_have_its_answer_while_one_is_looked_at(clock: Clock):
    patiently = Patience("s3://bucket", 300)

    class Failure(OSError):
        def __str__(self) -> str:
            return patiently(lambda: "timed out")  # as that thread would at this very moment

    asked = []

    def ask() -> str:
        asked.append(clock.now)
        if len(asked) < 3:
            raise Failure()
        return "answer"

    assert patiently(ask) == "answer"
