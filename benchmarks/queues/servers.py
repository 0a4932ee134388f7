"""What the servers are, and what they promise to keep."""

from __future__ import annotations

import amqp
import kombu
import redis
from django.db import connection

TIMEOUT = 5.0


def describe_postgresql() -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')"
        )
        version, fsync, synchronous_commit = cursor.fetchone()
    return f"PostgreSQL {version} (fsync {fsync}, synchronous_commit {synchronous_commit})"


def describe_redis(url: str) -> str:
    """Raises ``ConnectionError`` where it does not answer."""
    try:
        with redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT) as client:
            info = client.info()
    except redis.RedisError as error:
        raise ConnectionError(str(error)) from error
    return f"Redis {info['redis_version']} (append-only file {'on' if info['aof_enabled'] else 'off'})"


def describe_rabbitmq(url: str) -> str:
    """Raises ``ConnectionError`` where it does not answer."""
    try:
        with kombu.Connection(url, connect_timeout=TIMEOUT) as broker:
            properties = broker.connection.server_properties
    except (amqp.AMQPError, kombu.exceptions.OperationalError, OSError) as error:
        raise ConnectionError(str(error)) from error
    return f"RabbitMQ {properties['version']}"
