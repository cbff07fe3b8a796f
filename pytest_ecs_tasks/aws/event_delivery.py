"""EventBridge for ECS's own events: the rules of moto's default bus are applied to them, and their targets get them.

moto applies rules to what PutEvents brings, with a simpler matcher and without InputPath and Input; and a service's own
events do not come that way.
"""

from __future__ import annotations

import threading
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pytest_ecs_tasks.aws.calls import AwsCallError
from pytest_ecs_tasks.aws.event_targets import EventTargets, UnsupportedTargetError
from pytest_ecs_tasks.aws.json_api import JsonApi
from pytest_ecs_tasks.core.event_input import EventInputError, EventRule, make_input
from pytest_ecs_tasks.core.event_pattern import EventPattern, EventPatternError, parse_event_pattern
from pytest_ecs_tasks.engine.system import SystemClock
from pytest_ecs_tasks.errors import EventDeliveryWarning

_LIST_RULES = "events:AWSEvents.ListRules"
_LIST_TARGETS = "events:AWSEvents.ListTargetsByRule"
_CLOCK = SystemClock()
# How long the end of an AWS, or its reset, waits for events that are on their way.
_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class _Taken:
    """An event, and when it came: an ISO 8601 time."""

    event: Mapping[str, Any]
    ingested_at: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule that is enabled. Its targets are asked for when it matches."""

    facts: EventRule
    region: str
    pattern: EventPattern


class EventDelivery:
    """The one thread that delivers the events of an AWS, in their order.

    It starts with the first event. ``may_have_rules`` tells whether anybody can have made a rule so far; while it says
    no, an event costs nothing. Otherwise the rules are asked for again for whatever events have come meanwhile.
    ``is_lasting`` tells that the AWS lives on when this ends, so that somebody may look at its targets then.
    """

    def __init__(
        self,
        api: JsonApi,
        targets: EventTargets,
        may_have_rules: Callable[[], bool],
        *,
        is_lasting: bool,
    ) -> None:
        self._api = api
        self._targets = targets
        self._may_have_rules = may_have_rules
        self._is_lasting = is_lasting
        self._wake = threading.Condition()
        self._waiting: deque[_Taken] = deque()
        self._is_busy = False
        self._is_closing = False
        self._is_over = False
        self._has_rules = False
        self._thread: threading.Thread | None = None
        # The rest belongs to the thread.
        self._patterns: dict[str, EventPattern | None] = {}
        self._told: set[tuple[str, ...]] = set()
        self._made_an_error: str | None = None

    def take(self, event: Mapping[str, Any]) -> None:
        """Deliver an event, which nobody changes any more, and return at once."""
        if not self._may_have_rules():
            return
        now = datetime.fromtimestamp(_CLOCK.wall(), UTC)
        with self._wake:
            if self._is_closing:
                return
            self._waiting.append(_Taken(event, f"{now:%Y-%m-%dT%H:%M:%SZ}"))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ecs-tasks/events", daemon=True)
                self._thread.start()
            self._wake.notify_all()

    def forget(self) -> None:
        """Drop what has not been delivered, and wait, 5 s at most, for what is being delivered: all will be emptied."""
        with self._wake:
            self._waiting.clear()
            self._wake.wait_for(lambda: not self._is_busy, _PATIENCE_S)
            self._has_rules = False
        self._targets.forget()
        self._told.clear()

    def close(self) -> None:
        """Deliver what is left, for 5 s at most, and end the thread. Safe to call twice.

        It waits for nothing where there were no rules, and nobody can look at what would still be delivered.
        Raises an :class:`EventDeliveryWarning` that the user's filters have made an error.
        """
        with self._wake:
            self._is_closing = True
            matters = self._is_lasting or self._has_rules
            if not matters:
                self._is_over = True
                self._waiting.clear()
            self._wake.notify_all()
            thread = self._thread
        if thread is not None and matters:
            thread.join(_PATIENCE_S)
        with self._wake:
            self._is_over = True
            self._waiting.clear()
            message, self._made_an_error = self._made_an_error, None
        if message is not None:
            raise EventDeliveryWarning(message)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._is_busy = False
                self._wake.notify_all()
                self._wake.wait_for(lambda: self._waiting or self._is_closing)
                if not self._waiting:
                    return
                taken, self._waiting = self._waiting, deque()
                self._is_busy = True
            try:
                self._deliver(taken)
            except Exception as error:  # noqa: BLE001 - a bug of ours must not end the thread that others wait for
                self._tell((repr(error),), f"ECS events could not be delivered: {error!r}")

    def _deliver(self, taken: Sequence[_Taken]) -> None:
        regions = {str(each.event.get("region")) for each in taken}
        rules = {region: self._read_rules(region) for region in regions}
        with self._wake:
            self._has_rules = any(rules.values())
        targets: dict[EventRule, list[dict[str, Any]]] = {}
        for each in taken:
            if self._is_over:
                return
            for rule in rules[str(each.event.get("region"))]:
                if rule.pattern.matches(each.event):
                    if rule.facts not in targets:
                        targets[rule.facts] = self._read_targets(rule)
                    for target in targets[rule.facts]:
                        self._send(each, rule, target)

    def _read_rules(self, region: str) -> list[_Rule]:
        """Return the rules of the default bus that are enabled and have a pattern; a region that AWS has not has none."""
        if not self._api.has_region(region):
            return []
        try:
            found = [each for page in self._api.pages(_LIST_RULES, region, {}) for each in page["Rules"]]
        except AwsCallError as error:
            self._tell(
                (region,),
                f"EventBridge's rules in {region} could not be read, so ECS events reach none: {error}",
            )
            return []
        rules = []
        for each in found:
            facts = EventRule(each["Name"], each["Arn"])
            text = each.get("EventPattern")
            if text is not None and each.get("State") != "DISABLED":
                pattern = self._read_pattern(facts, text)
                if pattern is not None:
                    rules.append(_Rule(facts, region, pattern))
        return rules

    def _read_pattern(self, rule: EventRule, text: str) -> EventPattern | None:
        if text not in self._patterns:
            try:
                self._patterns[text] = parse_event_pattern(text)
            except EventPatternError as error:
                self._patterns[text] = None
                self._tell(
                    (rule.arn, text),
                    f"rule {rule.name!r} gets no ECS events, for EventBridge would refuse its pattern: {error}",
                )
        return self._patterns[text]

    def _read_targets(self, rule: _Rule) -> list[dict[str, Any]]:
        """Return the targets of a rule; none of one that has been deleted meanwhile."""
        try:
            pages = self._api.pages(_LIST_TARGETS, rule.region, {"Rule": rule.facts.name})
            return [target for page in pages for target in page["Targets"]]
        except AwsCallError as error:
            if error.code != "ResourceNotFoundException":
                self._tell(
                    (rule.facts.arn,), f"the targets of rule {rule.facts.name!r} could not be read: {error}"
                )
            return []

    def _send(self, taken: _Taken, rule: _Rule, target: Mapping[str, Any]) -> None:
        where = f"rule {rule.facts.name!r}, target {target['Id']!r} ({target['Arn']})"
        key = (rule.facts.arn, target["Id"], target["Arn"])
        try:
            text = make_input(target, taken.event, rule.facts, ingested_at=taken.ingested_at)
            self._targets.send(target, text, str(taken.event.get("time")))
        except UnsupportedTargetError as error:
            self._tell(
                key,
                f"{where}: {error} gets no ECS events here; SQS, CloudWatch Logs, SNS and Step Functions do. "
                "ecs_aws.events() has the events, so the test can hand them on itself",
            )
        except EventInputError as error:
            self._tell(key, f"{where}: ECS events are not delivered: {error}")
        except AwsCallError as error:
            if target in self._read_targets(
                rule
            ):  # else whoever deleted the target's queue deleted the rule, too
                self._tell(key, f"{where}: an ECS event was refused, and is lost: {error}")
        except Exception as error:  # noqa: BLE001 - what one target cannot take must not be lost for the others
            self._tell(key, f"{where}: an ECS event could not be sent, and is lost: {error!r}")

    def _tell(self, key: tuple[str, ...], message: str) -> None:
        """Warn, once for each key."""
        if key in self._told or self._is_over:
            return
        self._told.add(key)
        try:
            warnings.warn_explicit(message, EventDeliveryWarning, "EventBridge", 1)
        except EventDeliveryWarning:
            self._made_an_error = self._made_an_error or message
