"""What a Ray of our own leaves when a sweep is over."""

from __future__ import annotations

import atexit
import os
import signal
import time

import psutil
import pytest
import ray

from lbray.planning import Placement
from lbray.sweep.ray_session import ray_session


def test_an_actor_that_takes_its_time_to_end_is_gone_with_the_session():
    class Slow:
        def pid(self) -> int:
            return os.getpid()

        def end(self) -> None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            atexit.register(time.sleep, 600)
            ray.actor.exit_actor()

    with ray_session(Placement("actor", "cpu", 1)):
        actor = ray.remote(Slow).remote()
        process = psutil.Process(ray.get(actor.pid.remote()))
        with pytest.raises(ray.exceptions.RayActorError):
            ray.get(actor.end.remote())
        assert process.is_running()
    psutil.wait_procs([process], timeout=1)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
