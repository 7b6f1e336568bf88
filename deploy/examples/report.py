#!/usr/bin/env python3
"""A script as the handler of a kind: its task on stdin, its outcome on stdout, both JSON.

    [kinds.report]
    handler = { exec = { command = ["./report.py"] } }

Try it by hand:  echo '{"source_key": "report/1", "payload": {"numbers": [1, 2]}}' | ./report.py
"""

import json
import sys

task = json.load(sys.stdin)
numbers = (task["payload"] or {}).get("numbers")

# What it says beside its outcome goes to stderr, and is shown if it fails.
print(f"working on {task['source_key']}", file=sys.stderr)

if not isinstance(numbers, list) or not all(isinstance(it, (int, float)) for it in numbers):
    # The task's own fault: charged to it. Any word can be a cause; a gate can close on it.
    outcome = {"outcome": "failed", "cause": "task.invalid", "evidence": "payload has no `numbers`"}
else:
    outcome = {"outcome": "completed", "effect": {"sum": sum(numbers), "of": len(numbers)}}
print(json.dumps(outcome))
