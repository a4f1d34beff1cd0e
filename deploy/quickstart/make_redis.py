#!/usr/bin/env python3
"""Writes the quickstart's Redis commands in the server's protocol, for `redis-cli --pipe`.

usage: make_redis.py make|change

The same data in every run but for the times to live, which count from now. They are hours long, so
that no key passes away while the quickstart compares.
"""
import random
import sys

out = []


def command(*arguments):
    parts = [str(argument).encode() for argument in arguments]
    out.append(b"*%d\r\n" % len(parts))
    for part in parts:
        out.append(b"$%d\r\n%s\r\n" % (len(part), part))


def make(rng):
    for number in range(30000):  # sessions
        command("SET", "session:%08x" % rng.getrandbits(32),
                '{"user":%d,"cart":[%d,%d]}' % (number, rng.getrandbits(20), rng.getrandbits(20)),
                "EX", rng.randrange(6 * 3600, 48 * 3600))
    for number in range(12000):  # carts
        command("HSET", "cart:%d" % number, "table", number % 40, "total", number * 7 % 10000,
                "note", "x" * (number % 90))
        if number % 3 == 0:
            command("EXPIRE", "cart:%d" % number, rng.randrange(6 * 3600, 24 * 3600))
    for number in range(6000):
        command("SADD", "tags:%d" % number, *("tag%d" % (number * k % 977) for k in range(1, 9)))
        command("RPUSH", "queue:%d" % number, *("job-%d-%d" % (number, k) for k in range(number % 12 + 1)))
    for number in range(2000):
        command("ZADD", "board:%d" % number,
                *(x for k in range(1, 21) for x in (number * k % 1009 / 4, "waiter%d" % k)))
    for number in range(40):  # what has encodings of its own: large ones, integers, bits
        command("SADD", "large:set:%d" % number, *range(number, 2000))
        command("HSET", "large:hash:%d" % number, *(x for k in range(600) for x in ("f%d" % k, k)))
        command("SETBIT", "seats:%d" % number, number * 100 + 7, 1)
        command("PFADD", "visitors:%d" % number, *("guest%d" % (number * k) for k in range(300)))
        command("GEOADD", "places", 13.3 + number / 100, 52.5, "restaurant:%d" % number)
        command("INCRBY", "count:%d" % number, number * 1000003)
    for number in range(5000):
        command("XADD", "orders", "%d-0" % (number + 1), "order", number, "state", "sent_to_kitchen")
    command("XGROUP", "CREATE", "orders", "kitchen", "0")
    command("XREADGROUP", "GROUP", "kitchen", "screen-1", "COUNT", 50, "STREAMS", "orders", ">")
    command("FUNCTION", "LOAD", "#!lua name=till\n"
            "redis.register_function('next_number', function(keys) return redis.call('INCR', keys[1]) end)")
    command("SELECT", 5)
    for number in range(3000):
        command("SET", "rate:%d" % number, number, "EX", rng.randrange(6 * 3600, 9 * 3600))


def change(rng):
    for number in range(0, 12000, 25):
        command("HINCRBY", "cart:%d" % number, "total", 5)
    for number in range(0, 6000, 40):
        command("DEL", "tags:%d" % number)
        command("LPUSH", "queue:%d" % number, "urgent")
    for number in range(1500):
        command("SET", "session:new:%08x" % rng.getrandbits(32), number, "EX", 20 * 3600)
    for number in range(200):
        command("XADD", "orders", "%d-0" % (number + 6001), "order", number, "state", "paid")
    command("XACK", "orders", "kitchen", "1-0", "2-0", "3-0")
    command("PERSIST", "cart:3")


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("make", "change"):
        sys.exit(__doc__)
    {"make": make, "change": change}[sys.argv[1]](random.Random(20260101 + len(sys.argv[1])))
    sys.stdout.buffer.write(b"".join(out))
