"""How many requests an owner may send in a minute: counted in Redis, for all API processes together."""

from __future__ import annotations

import threading
import time
from collections import Counter

import structlog
from redis import Redis
from redis.exceptions import RedisError

from service.errors import RateExceeded
from workers.settings import Settings

WINDOW_S = 60
_log = structlog.get_logger()


class RequestRate:
    """Counts requests by owner and minute.

    While Redis is away, which also means that no work gets done, each process counts by itself: a request is never
    refused for want of Redis, and never let through without limit.
    """

    def __init__(self, settings: Settings) -> None:
        self._most = settings.requests_per_minute
        self._redis: Redis = Redis.from_url(
            settings.broker_url, socket_connect_timeout=0.2, socket_timeout=0.2, retry_on_timeout=False
        )
        self._own: Counter[str] = Counter()
        self._own_window = 0
        self._lock = threading.Lock()

    @property
    def limited(self) -> bool:
        """Whether requests are counted at all."""
        return self._most > 0

    def spend(self, owner: str) -> None:
        """Count one request.

        Raises:
            RateExceeded: the owner has sent all that a minute allows; with the seconds until the next.
        """
        if not self.limited:
            return
        time_s = time.time()
        window = int(time_s // WINDOW_S)
        if self._count(owner, window) > self._most:
            wait_s = int((window + 1) * WINDOW_S - time_s) + 1
            raise RateExceeded(f"at most {self._most} requests a minute; go on in {wait_s} s", retry_after_s=wait_s)

    def _count(self, owner: str, window: int) -> int:
        name = f"chronoseg:rate:{owner}:{window}"
        try:
            with self._redis.pipeline() as pipe:
                pipe.incr(name)
                pipe.expire(name, 2 * WINDOW_S)
                return int(pipe.execute()[0])
        except (RedisError, OSError) as err:
            _log.warning("requests are counted here alone", error=type(err).__name__)
        with self._lock:
            if window != self._own_window:
                self._own_window = window
                self._own.clear()
            self._own[owner] += 1
            return self._own[owner]
