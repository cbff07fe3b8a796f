"""Whatever is asked of the ECS API, in whatever order: it answers as botocore's model says, or refuses with a code of ECS."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from ecs_model import check_answer, check_error
from ecs_world import FARGATE, SUBNETS, EcsWorld, arn, definition
from pytest_ecs_tasks.core.api.calls import ApiError
from pytest_ecs_tasks.core.api.machine import OPERATIONS
from pytest_ecs_tasks.core.api.members import SHAPES

FAMILIES = st.sampled_from(["web", "vpc"])
CLUSTERS = st.sampled_from(["default", "blue", "red"])
DEFINITIONS = st.sampled_from(["web", "vpc", "web:1", "vpc:2", arn("task-definition/web:1"), "none"])


class EcsMachine(RuleBasedStateMachine):
    """Calls in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.ecs = EcsWorld()
        self.revisions: dict[str, int] = {}

    def ask(self, operation: str, **request: Any) -> dict[str, Any] | None:
        """Return the answer, which the model knows; ``None`` for a refusal, whose code the model knows."""
        try:
            return self.ecs.call(operation, **request)
        except ApiError as error:
            check_error(operation, error.code)
            return None

    @rule(family=FAMILIES)
    def register(self, family: str) -> None:
        more = FARGATE if family == "vpc" else {}
        answer = self.ask("RegisterTaskDefinition", **definition(family, **more))

        revision = answer["taskDefinition"]["revision"]
        assert revision == self.revisions.get(family, 0) + 1, "revisions count up and are never used again"
        self.revisions[family] = revision

    @rule(reference=DEFINITIONS)
    def deregister(self, reference: str) -> None:
        self.ask("DeregisterTaskDefinition", taskDefinition=reference)

    @rule(reference=DEFINITIONS)
    def delete_definition(self, reference: str) -> None:
        self.ask("DeleteTaskDefinitions", taskDefinitions=[reference])

    @rule(cluster=CLUSTERS)
    def create_cluster(self, cluster: str) -> None:
        assert self.ask("CreateCluster", clusterName=cluster)["cluster"]["status"] == "ACTIVE"

    @rule(cluster=CLUSTERS)
    def delete_cluster(self, cluster: str) -> None:
        self.ask("DeleteCluster", cluster=cluster)

    @rule(
        reference=DEFINITIONS,
        cluster=CLUSTERS,
        count=st.integers(0, 11),
        network=st.sampled_from([{}, {"networkConfiguration": SUBNETS}]),
        launch=st.sampled_from([{}, {"launchType": "FARGATE"}, {"launchType": "EC2"}]),
        token=st.sampled_from([{}, {"clientToken": "t"}]),
    )
    def run_task(self, reference, cluster, count, network, launch, token) -> None:
        before = set(self.ecs.tasks)
        request = {
            "taskDefinition": reference,
            "cluster": cluster,
            "count": count,
            **network,
            **launch,
            **token,
        }
        answer = self.ask("RunTask", **request)

        if answer is None:
            assert set(self.ecs.tasks) == before, "a refused request runs nothing"
        else:
            assert len(answer["tasks"]) == count
            assert token or len(set(self.ecs.tasks) - before) == count

    @rule(number=st.integers(0, 20), cluster=CLUSTERS)
    def stop_task(self, number: int, cluster: str) -> None:
        task_id = f"{number:032x}"
        answer = self.ask("StopTask", task=task_id, cluster=cluster)

        if answer is not None:
            assert answer["task"]["desiredStatus"] == "STOPPED"

    @invariant()
    def every_task_is_listed_once_and_described(self) -> None:
        listed = []
        for cluster in self.ecs.call("ListClusters")["clusterArns"]:
            for status in ("RUNNING", "STOPPED"):
                arns = self.ecs.call("ListTasks", cluster=cluster, desiredStatus=status)["taskArns"]
                listed += arns
                if arns:
                    described = self.ecs.call("DescribeTasks", cluster=cluster, tasks=arns)
                    assert [task["taskArn"] for task in described["tasks"]] == arns
                    assert {task["desiredStatus"] for task in described["tasks"]} == {status}
        assert len(set(listed)) == len(listed)
        active = {each.name for each in self.ecs.state.clusters.values() if each.active}
        assert len(listed) == sum(record.cluster in active for record in self.ecs.state.tasks.values())


def test_calls_in_any_order_are_answered_as_the_model_says():
    run_state_machine_as_test(
        EcsMachine, settings=settings(max_examples=30, stateful_step_count=25, deadline=None)
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def values_of(shape: Any) -> st.SearchStrategy[Any]:
    """Return values that a member may have, and now and then any JSON in its place."""
    if isinstance(shape, list):
        right = st.lists(values_of(shape[0]), max_size=3)
    elif isinstance(shape, dict):
        right = st.fixed_dictionaries({}, optional={name: values_of(inner) for name, inner in shape.items()})
    else:
        right = {
            str: st.sampled_from(
                ["web", "default", "", "a:b", ":", arn("cluster/x"), arn("task/a/b"), "\x00"]
            ),
            int: st.integers(-2, 12),
            bool: st.booleans(),
            float: st.floats(allow_nan=False),
            dict: st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
        }[shape]
    return st.one_of(right, right, right, JSON)


def requests() -> st.SearchStrategy[tuple[str, Any]]:
    """Return operations with requests that are mostly right."""
    return st.sampled_from(sorted(set(OPERATIONS) & set(SHAPES))).flatmap(
        lambda operation: st.tuples(
            st.just(operation),
            st.fixed_dictionaries(
                {}, optional={name: values_of(inner) for name, inner in SHAPES[operation].items()}
            ),
        )
    )


@settings(max_examples=150, deadline=None)
@given(asked=st.lists(requests(), max_size=6))
def test_no_request_is_answered_with_anything_but_an_answer_or_a_refusal(asked):
    ecs = EcsWorld()
    ecs.register()
    ecs.run()

    for operation, request in asked:
        try:
            answer = ecs.raw(operation, request)
        except ApiError as error:
            check_error(operation, error.code)
        else:
            check_answer(operation, answer)


@settings(max_examples=200, deadline=None)
@given(request=st.dictionaries(st.sampled_from([*definition(), "tags", "volumes", "cpu"]), JSON))
def test_no_definition_is_answered_with_anything_but_an_answer_or_a_refusal(request):
    ecs = EcsWorld()

    try:
        answer = ecs.raw("RegisterTaskDefinition", request)
    except ApiError as error:
        check_error("RegisterTaskDefinition", error.code)
    else:
        check_answer("RegisterTaskDefinition", answer)
