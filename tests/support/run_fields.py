"""Every member of RunTask: what a test can ask for, how, and what becomes of the rest.

Source: the ECS API model of botocore 1.44 (2014-11-13); a test compares the two. A member of an object that is refused as a
whole has no entry of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_ecs_tasks.core.fields import Fate

H, RECORDED, REFUSED = Fate.HONOURED, Fate.RECORDED, Fate.REFUSED


@dataclass(frozen=True, slots=True)
class RunMember:
    """One member. ``asked_by`` is the marker or fixture and its argument; ``why`` says what is there instead.

    ``api`` is what becomes of it in a call of RunTask by the code under test.
    """

    fate: Fate
    asked_by: tuple[str, str] | None = None
    why: str = ""
    api: Fate = H


def _refused(why: str, api: Fate = H) -> RunMember:
    return RunMember(REFUSED, why=why, api=api)


_ONE_PLACE = "there is one place to run"
_IN_DEFINITION = "the definition's own counts"
_NO_TAGS = "a task that no code under test has started has no tags"

RUN_TASK: Mapping[str, RunMember] = {
    "taskDefinition": RunMember(
        H, ("ecs_taskdef", "source"), "a file, a dict, or `family:revision` registered in the test's AWS"
    ),
    "count": RunMember(H, ("ecs_taskdef", "count"), "more than one with `ecs_task_factory`"),
    "launchType": RunMember(
        H,
        ("ecs_taskdef", "launch_type"),
        "`EC2` and `FARGATE`; left out: `FARGATE` if `requiresCompatibilities` has it",
    ),
    "overrides": RunMember(H),
    "overrides.containerOverrides[]": RunMember(H),
    "overrides.containerOverrides[].name": RunMember(H, ("ecs_overrides", "container")),
    "overrides.containerOverrides[].command": RunMember(H, ("ecs_overrides", "command")),
    "overrides.containerOverrides[].environment[]": RunMember(
        H, ("ecs_overrides", "environment"), "added to the definition's"
    ),
    "overrides.containerOverrides[].environment[].name": RunMember(H, ("ecs_overrides", "environment")),
    "overrides.containerOverrides[].environment[].value": RunMember(H, ("ecs_overrides", "environment")),
    "overrides.containerOverrides[].cpu": RunMember(H, ("ecs_overrides", "cpu")),
    "overrides.containerOverrides[].memory": RunMember(H, ("ecs_overrides", "memory")),
    "overrides.containerOverrides[].memoryReservation": _refused(_IN_DEFINITION),
    "overrides.containerOverrides[].environmentFiles[]": _refused(_IN_DEFINITION),
    "overrides.containerOverrides[].resourceRequirements[]": _refused(
        "there is no GPU and no accelerator", RECORDED
    ),
    "overrides.cpu": _refused(_IN_DEFINITION),
    "overrides.memory": _refused(_IN_DEFINITION),
    "overrides.taskRoleArn": _refused(_IN_DEFINITION),
    "overrides.executionRoleArn": _refused(_IN_DEFINITION),
    "overrides.ephemeralStorage": _refused("the disk is as large as the engine's", RECORDED),
    "overrides.inferenceAcceleratorOverrides[]": _refused("there is no accelerator", RECORDED),
    "capacityProviderStrategy[]": _refused("say `launch_type`; there is no capacity to provide"),
    "cluster": _refused("a task's cluster is `default`"),
    "enableECSManagedTags": _refused(_NO_TAGS),
    "enableExecuteCommand": _refused("`task.exec` needs nothing; ExecuteCommand does", RECORDED),
    "group": _refused("a task's group is `family:` and the family's name", RECORDED),
    "networkConfiguration": _refused("the run has one network, and nobody outside reaches it", RECORDED),
    "placementConstraints[]": _refused(_ONE_PLACE, RECORDED),
    "placementStrategy[]": _refused(_ONE_PLACE, RECORDED),
    "platformVersion": _refused("Fargate's rules are those of its latest platform", RECORDED),
    "propagateTags": _refused(_NO_TAGS),
    "referenceId": _refused("the test has the task itself", RECORDED),
    "startedBy": _refused("the test starts it", RECORDED),
    "tags[]": _refused(_NO_TAGS),
    "clientToken": _refused("every call runs a task of its own"),
    "volumeConfigurations[]": _refused(
        "a volume that is `configuredAtLaunch` is an empty one of the task's own", RECORDED
    ),
}
