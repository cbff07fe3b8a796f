"""The ECS API's state machine with tasks that exist on paper only. Every request and answer is held against botocore's model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from ecs_model import check_answer, check_error, check_request
from pytest_ecs_tasks.core import events
from pytest_ecs_tasks.core.api import calls, machine, services, tasks
from pytest_ecs_tasks.core.api.calls import ApiError, Call
from pytest_ecs_tasks.core.api.project import Project
from pytest_ecs_tasks.core.api.state import EcsState
from pytest_ecs_tasks.core.lifecycle import advance, submit
from pytest_ecs_tasks.core.model import Task
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.plan import make_plan
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.core.service_model import FAST_PACE, Service
from pytest_ecs_tasks.core.service_scheduler import advance_service, create_service

NOW = 1_700_000_000.0
ACCOUNT = "444455556666"
REGION = "eu-west-1"
SUBNETS = {"awsvpcConfiguration": {"subnets": ["subnet-1", "subnet-2"]}}


def arn(resource: str) -> str:
    return f"arn:aws:ecs:{REGION}:{ACCOUNT}:{resource}"


def definition(family: str = "web", **members: Any) -> dict[str, Any]:
    """Return a RegisterTaskDefinition request for one container."""
    container = {"name": "app", "image": "busybox", "memory": 128}
    return {"family": family, "containerDefinitions": [container], **members}


FARGATE = {"requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256", "memory": "512"}


@dataclass
class EcsWorld:
    """One ECS."""

    state: EcsState = field(default_factory=lambda: EcsState(REGION, ACCOUNT))
    tasks: dict[str, Task] = field(default_factory=dict)
    protections: dict[str, float | None] = field(default_factory=dict)
    orders: list[calls.Effect] = field(default_factory=list)
    project: Project = field(default_factory=Project)
    services: dict[str, Service] = field(default_factory=dict)
    now: float = NOW
    ids: int = 0

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        check_request(operation, request)
        answer = self.raw(operation, request)
        check_answer(operation, answer)
        return answer

    def raw(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Call what an SDK would not send."""
        outcome = machine.answer(self.state, self._call(operation, request))
        self.state = outcome.state
        for effect in outcome.effects:
            self._do(effect)
        answer = dict(outcome.answer)
        if outcome.later is not None:
            call = self._call("", {})
            if isinstance(outcome.later, calls.LaterService):
                shown_service = services.show_service(self.state, call, outcome.later.arn)
                return {**answer, outcome.later.member: shown_service}
            shown = [tasks.describe(self.state, each, call) for each in outcome.later.task_ids]
            answer[outcome.later.member] = shown if outcome.later.many else shown[0]
        return answer

    def refused(self, operation: str, **request: Any) -> str:
        """Return ``code: message`` of a request that is refused; its code is one that the operation has."""
        before, orders = self.state, list(self.orders)
        with pytest.raises(ApiError) as caught:
            self.call(operation, **request)
        check_error(operation, caught.value.code)
        assert (self.state, self.orders) == (before, orders), "a refused request changes nothing"
        return str(caught.value)

    def register(self, family: str = "web", **members: Any) -> str:
        """Register a task definition and return its ARN."""
        answer = self.call("RegisterTaskDefinition", **definition(family, **members))
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def run(self, task_definition: str = "web", **members: Any) -> str:
        """Run one task and return its ARN."""
        answer = self.call("RunTask", taskDefinition=task_definition, **members)
        return str(answer["tasks"][0]["taskArn"])

    def adopt(self, **members: Any) -> str:
        """Take in a task that a fixture has run; return its ARN."""
        parsed = parse_task_definition(definition(**members), "file.json")
        request = RunTaskRequest(parsed, region=REGION, account_id=ACCOUNT)
        task_id = self._new_id()
        self.tasks[task_id] = submit(make_plan(request, task_id=task_id), 0.0)
        self.state = tasks.adopt(self.state, task_id, request, self.now)
        return self.tasks[task_id].plan.arn

    def post(self, task_arn: str, *facts: events.Event) -> None:
        """Let facts befall a task."""
        task_id = task_arn.rpartition("/")[2]
        for fact in facts:
            self.tasks[task_id] = advance(self.tasks[task_id], fact, 1.0).task

    def _call(self, operation: str, request: dict[str, Any]) -> Call:
        return Call(
            operation=operation,
            request=request,
            now=self.now,
            new_id=self._new_id,
            find_task=self.tasks.get,
            wall=lambda moment: NOW + moment,
            find_protection=self.protections.get,
            project=self.project,
            services=self.services,
        )

    def _new_id(self) -> str:
        self.ids += 1
        return f"{self.ids:032x}"

    def _do(self, effect: calls.Effect) -> None:
        self.orders.append(effect)
        match effect:
            case calls.StartTask(task_id=task_id, request=request):
                self.tasks[task_id] = submit(make_plan(request, task_id=task_id), 0.0)
            case calls.StopTask(task_id=task_id, reason=reason):
                self.tasks[task_id] = advance(self.tasks[task_id], events.StopRequested(reason), 1.0).task
            case calls.ProtectTask(task_id=task_id, until=until):
                self.protections[task_id] = until
            case calls.Advise():
                pass
            case calls.CreateService():
                self.services[effect.arn] = create_service(
                    name=effect.name,
                    arn=effect.arn,
                    cluster_arn=effect.cluster_arn,
                    settings=effect.settings,
                    deployment_id=effect.deployment_id,
                    pace=FAST_PACE,
                    now=0.0,
                ).service
            case calls.TellService():
                self.services[effect.arn] = advance_service(
                    self.services[effect.arn], effect.fact, 1.0
                ).service
