#!/usr/bin/env python3
"""A worker for a kind of work, in Python, with nothing but a NATS client: pip install nats-py

    [kinds.shout]
    handler = { service = "shout", format = "json" }

A dispatcher asks on svc.shout.run; whoever answers has done the work. Start as many of these as
you like, on any host: each task goes to one of them. NATS_URL says where NATS is.

What comes in is the task, as JSON:

    {"kind": "shout", "source_key": "shout/1", "task": "<32 hex digits>", "attempt": 1,
     "created_by": "ann", "created_at": "2026-11-22T08:00:00.000Z", "timeout_ms": 60000,
     "payload": {"text": "hello"}}

What goes out is one of

    {"outcome": "completed", "effect": "what was done", "cost": {"micro_usd": 0}}
    {"outcome": "failed", "cause": "target.invalid", "evidence": "why", "retry_after_ms": 5000}
    {"outcome": "unknown", "cause": "service.timeout", "evidence": "it may have been done"}
    {"outcome": "held", "why": "not now"}
    {"outcome": "moot", "why": "not to be done any more"}
"""

import asyncio
import json
import os
import signal

import nats

SERVICE = os.environ.get("SERVICE", "shout")
# What was done, by source key. A dispatcher that got no answer asks again, and then this worker
# must know what it did: keep it where your effect is kept, not in memory as here.
DONE = {}


def work(task):
    """Does the work and says what it came to."""
    key = task["source_key"]
    if key in DONE:
        return {"outcome": "completed", "effect": DONE[key]}
    text = (task["payload"] or {}).get("text")
    if not isinstance(text, str):
        # The task's own fault: charged to it, and after its attempts it is dead.
        return {"outcome": "failed", "cause": "task.invalid", "evidence": "payload has no `text`"}
    DONE[key] = text.upper()
    return {"outcome": "completed", "effect": DONE[key]}


async def answer(message):
    try:
        outcome = work(json.loads(message.data))
    except Exception as error:  # a bug here must not look like silence
        outcome = {"outcome": "failed", "cause": "worker.bug", "evidence": repr(error)}
    await message.respond(json.dumps(outcome).encode())


async def main():
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    url = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")
    client = await nats.connect(url.split(","), name=SERVICE, max_reconnect_attempts=-1)
    # The queue group is what gives each task to one worker.
    await client.subscribe(f"svc.{SERVICE}.run", queue=SERVICE, cb=answer)
    await client.flush()
    print(f"{SERVICE} listens", flush=True)
    await stop.wait()
    await client.drain()


if __name__ == "__main__":
    asyncio.run(main())
