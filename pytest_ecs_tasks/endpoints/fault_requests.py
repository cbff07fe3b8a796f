"""What is wrong with a request for a network fault, in the agent's words.

Source: amazon-ecs-agent, ecs-agent/tmds/handlers/fault/v1/types/types.go.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from typing import Any

BLACKHOLE, LATENCY, LOSS = "network-blackhole-port", "network-latency", "network-packet-loss"
KINDS = (BLACKHOLE, LATENCY, LOSS)


def find_fault_problem(kind: str, operation: str, body: bytes) -> str | None:
    """Return the first problem of a request's body; only a blackhole's stop and status have a body that counts."""
    if kind != BLACKHOLE and operation != "start":
        return None
    if not body.strip():
        return "required request body is missing"
    try:
        document, _ = json.JSONDecoder().raw_decode(body.decode().lstrip())
    except ValueError as error:
        return str(error)
    if not isinstance(document, dict):
        return "the request body is not an object"
    if kind == BLACKHOLE:
        return _blackhole_problem(document)
    return _latency_problem(document) if kind == LATENCY else _loss_problem(document)


def _blackhole_problem(request: Mapping[str, Any]) -> str | None:
    missing = _missing(request, "Port", "Protocol", "TrafficType")
    if missing:
        return missing
    if request["Protocol"] not in ("tcp", "udp"):
        return _invalid(request["Protocol"], "Protocol")
    if request["TrafficType"] not in ("ingress", "egress"):
        return _invalid(request["TrafficType"], "TrafficType")
    return _address_problem(request, "SourcesToFilter")


def _latency_problem(request: Mapping[str, Any]) -> str | None:
    missing = _missing(request, "DelayMilliseconds", "JitterMilliseconds")
    if missing:
        return missing
    if not request["DelayMilliseconds"] and not request["JitterMilliseconds"]:
        return "required either DelayMilliseconds or JitterMilliseconds to be non-zero"
    return _sources_problem(request)


def _loss_problem(request: Mapping[str, Any]) -> str | None:
    missing = _missing(request, "LossPercent")
    if missing:
        return missing
    percent = request["LossPercent"]
    if not isinstance(percent, int) or not 1 <= percent <= 100:
        return _invalid(percent, "LossPercent")
    return _sources_problem(request)


def _sources_problem(request: Mapping[str, Any]) -> str | None:
    if not request.get("Sources"):
        return _missing({}, "Sources")
    problem = _address_problem(request, "Sources") or _address_problem(request, "SourcesToFilter")
    flows = request.get("FlowsPercent")
    if problem is None and flows is not None and (not isinstance(flows, int) or not 1 <= flows <= 100):
        return _invalid(flows, "flowsPercent")
    return problem


def _missing(request: Mapping[str, Any], *names: str) -> str | None:
    absent = next((name for name in names if request.get(name) in (None, "")), None)
    return None if absent is None else f"required parameter {absent} is missing"


def _invalid(value: object, name: str) -> str:
    return f"invalid value {value} for parameter {name}"


def _address_problem(request: Mapping[str, Any], name: str) -> str | None:
    for source in request.get(name) or ():
        try:
            ipaddress.ip_interface(source)
        except ValueError:
            return _invalid(source, name)
    return None
