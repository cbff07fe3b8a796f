"""The two reference pages of fields, made from the tables of the code.

    python tests/support/field_pages.py      writes both

A test compares the pages with what this makes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pytest_ecs_tasks.core.fields import TASK_DEFINITION, Fate, Field, Kind
from run_fields import RUN_TASK

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
TASK_DEFINITION_PAGE = REFERENCE / "task-definition-fields.md"
RUN_TASK_PAGE = REFERENCE / "run-task-fields.md"

SECTIONS = {"": "The task", "containerDefinitions[].": "Containers", "volumes[].": "Volumes"}
LATER = "is not emulated yet: "

# What to know about a field besides its fate; a field that is not emulated has its reason in the table.
NOTES: Mapping[str, str] = {
    "family": "letters, digits, `-` and `_`, up to 255",
    "taskRoleArn": "with it, containers get credentials of a session of the role, in the test's account; the role need not exist",
    "executionRoleArn": "needed for secrets, and on Fargate for awslogs, environment files and images of ECR; the role need not exist",
    "networkMode": "left out: `bridge`",
    "containerDefinitions[].image": "may be missing or a placeholder, if the test says which image to run",
    "containerDefinitions[].repositoryCredentials": "needs `executionRoleArn`, as in ECS",
    "containerDefinitions[].repositoryCredentials.credentialsParameter": 'a secret of the test\'s AWS, `{"username": "…", "password": "…"}`, by ARN or by name',
    "containerDefinitions[].portMappings[].hostPort": "left out: the container port under awsvpc and host, a free one under bridge",
    "containerDefinitions[].portMappings[].protocol": "`tcp` or `udp`; ECS takes anything else for `tcp`, `UDP` too, and so it is here, with a word from `--ecs-check`",
    "containerDefinitions[].portMappings[].name": "kept with the port",
    "containerDefinitions[].portMappings[].containerPortRange": "under bridge each port of the range has a free host port of its own",
    "containerDefinitions[].essential": "left out: true",
    "containerDefinitions[].restartPolicy.restartAttemptPeriod": "60 to 1800, left out: 300",
    "containerDefinitions[].environment[].value": "left out: empty",
    "containerDefinitions[].environmentFiles[]": "up to 10; read from S3 in the test's AWS by the agent's rules",
    "containerDefinitions[].environmentFiles[].value": "the ARN of an S3 object whose name ends in `.env`",
    "containerDefinitions[].volumesFrom[]": "every mount of the other container, which is created first",
    "containerDefinitions[].linuxParameters.devices[]": "devices of the engine's machine; one that it has not fails the container",
    "containerDefinitions[].linuxParameters.maxSwap": "without it swap is as the engine's machine has it; where its kernel does not count swap, without effect",
    "containerDefinitions[].linuxParameters.swappiness": "beside `maxSwap` only; cgroup v2 has none",
    "containerDefinitions[].secrets[].valueFrom": "Secrets Manager ARN, SSM ARN or SSM name",
    "containerDefinitions[].startTimeout": "seconds that others wait for this container; 2 to 120 on Fargate",
    "containerDefinitions[].stopTimeout": "seconds from SIGTERM to SIGKILL; left out: 30",
    "containerDefinitions[].versionConsistency": "one task has one digest per image anyway",
    "containerDefinitions[].disableNetworking": "the container has a loopback and no more: no AWS, no credentials",
    "containerDefinitions[].dockerSecurityOptions": "`no-new-privileges`, `label:…`, `apparmor:…`, as the engine takes them; `credentialspec:…` refused",
    "containerDefinitions[].logConfiguration.logDriver": "`awslogs` and `awsfirelens` are ours, the others the engine's; one that the engine has not warns when the task starts; `awsfirelens` refused with networkMode host and none",
    "containerDefinitions[].logConfiguration.options": "awslogs: all of them, `mode` and `max-buffer-size` without effect, for no line is dropped",
    "containerDefinitions[].logConfiguration.secretOptions[]": "refused for awslogs",
    "containerDefinitions[].healthCheck.command": "one that starts with neither `CMD` nor `CMD-SHELL` is warned about and never runs",
    "containerDefinitions[].healthCheck.interval": "5 to 300, left out: 30",
    "containerDefinitions[].healthCheck.timeout": "2 to 60, left out: 5",
    "containerDefinitions[].healthCheck.retries": "1 to 10, left out: 3",
    "containerDefinitions[].healthCheck.startPeriod": "0 to 300, left out: 0",
    "containerDefinitions[].resourceRequirements[]": "the container would run without its GPU or accelerator",
    "containerDefinitions[].firelensConfiguration.options": "`enable-ecs-log-metadata`, `config-file-type`, `config-file-value`",
    "volumes[].host.sourcePath": "a directory of the engine's host; refused if it is no absolute path",
    "volumes[].dockerVolumeConfiguration.scope": "left out: `task`; `shared` outlives the task and ends with the run",
    "volumes[].dockerVolumeConfiguration.autoprovision": "only a shared volume may have it; without it the shared volume has to exist",
    "volumes[].efsVolumeConfiguration": "a directory that the tasks of a run share",
    "volumes[].efsVolumeConfiguration.rootDirectory": "made when it is not there",
    "volumes[].efsVolumeConfiguration.authorizationConfig.accessPointId": "a directory of its own",
    "volumes[].s3filesVolumeConfiguration": "a directory that the tasks of a run share; not the objects of a bucket",
    "volumes[].s3filesVolumeConfiguration.rootDirectory": "made when it is not there",
    "volumes[].s3filesVolumeConfiguration.accessPointArn": "a directory of its own",
    "volumes[].fsxWindowsFileServerVolumeConfiguration": "a directory that the tasks of a run share",
    "volumes[].fsxWindowsFileServerVolumeConfiguration.rootDirectory": "made when it is not there",
    "volumes[].configuredAtLaunch": "an empty volume of the task's own, whatever RunTask would say of it",
    "placementConstraints[]": "there is one place to run",
    "requiresCompatibilities": "with `FARGATE` the rules of Fargate apply; `EXTERNAL` and `MANAGED_INSTANCES` alone run as EC2 and are warned about",
    "cpu": "`256`, `1 vCPU`, `.25 vcpu`",
    "memory": "`512`, `0.5GB`, `2 GB`",
    "tags[]": "kept in the registered definition",
    "pidMode": "`task`: the processes of all containers see each other, and the sandbox is PID 1; `host`: those of the engine's machine, too",
    "ipcMode": "`task`: all containers share the IPC namespace and `/dev/shm` of the sandbox; `none`: a namespace of its own without `/dev/shm`",
    "ephemeralStorage": "the disk is as large as the engine's",
    "runtimePlatform.cpuArchitecture": "warned about when the task starts on an engine of another architecture, and an error with `ecs_strict`: images run for the engine's own, or by its emulation",
}

# Where the two engines differ in what becomes of a field. Both: what the engine has not is told when the task starts.
PODMAN: Mapping[str, str] = {
    "containerDefinitions[].logConfiguration.logDriver": "honoured; drivers that it has not are warned",
    "containerDefinitions[].ulimits[]": "honoured; `nofile` and `nproc` that are left out become the maximum",
}
DOCKER: Mapping[str, str] = {
    "containerDefinitions[].logConfiguration.logDriver": "honoured; drivers that it has not are warned",
}

TASK_DEFINITION_INTRODUCTION = """\
# Fields of a task definition

What becomes of every field of `RegisterTaskDefinition`. This page is made from the loader's own table
(`python tests/support/field_pages.py`); tests compare it with that, the table with the API model of botocore, and each row
with what the loader does.

- **honoured**: the containers see its effect.
- **recorded**: it is kept in the definition, and nothing in a container could tell the difference.
- **warned**: it is right for ECS and has no effect here: an `UnsupportedFieldWarning`, and an error with `ecs_strict`.
- **refused**: without it the task could not work as declared: an `UnsupportedFeature` error.

What `describe-task-definition` adds is dropped, except for the revision: `compatibilities`, `deleteRequestedAt`,
`deregisteredAt`, `registeredAt`, `registeredBy`, `requiresAttributes`, `status`, `taskDefinitionArn`. So is what says
nothing: `null`, empty text, and lists and objects of nothing else. Numbers may be given as text. A name that is no field is a
`TaskDefinitionError` that says which field was probably meant.

Fields of a device, a driver, a namespace or a limit are given to the engine as ECS gives them to Docker: where the engine's
machine cannot do it, the container fails to start with the engine's words, as it does on an instance.
"""

RUN_TASK_INTRODUCTION = """\
# Members of RunTask

What a test can say of a run, by the names of `RunTask`, and what becomes of each in a call of `RunTask` by the code under test.
This page is made from a table (`python tests/support/field_pages.py`); tests compare it with that, and the table with the API
model of botocore and with what is done. It is the same on Docker and on Podman.

- **honoured**: the marker or fixture beside it takes it; a call has its effect.
- **recorded**: a call may have it. `DescribeTasks` shows it, as ECS does, and no container could tell.
- **refused**: no marker takes it; one that is given such an argument fails the test and names the arguments there are.

How code calls ECS in a test is told in [test code that calls ECS](../how-to/ecs-calls.md), and what is different there in
[fidelity](../fidelity.md).
"""


def walk(
    members: Mapping[str, Field], path: str = "", outer: Fate = Fate.HONOURED
) -> Iterator[tuple[str, Field, Fate]]:
    """Yield every field with its place and what becomes of it; what is in a field that is not honoured goes with it."""
    for name, field in members.items():
        place = f"{path}{name}" + ("[]" if field.kind is Kind.STRUCTURES else "")
        fate = field.fate if outer is Fate.HONOURED else outer
        yield place, field, fate
        yield from walk(field.members, f"{place}.", fate)


def describe(field: Field, fate: Fate) -> str:
    """Return what becomes of a field, with the values that are exceptions."""
    if fate is not field.fate:
        return str(fate)
    exceptions = [
        f"`{str(value).lower() if isinstance(value, bool) else value}` {each}"
        for value, each in field.by_value.items()
    ]
    return ", ".join([str(fate), *exceptions])


def section_of(path: str) -> str:
    """Return the prefix of the section that a field belongs to."""
    return next((prefix for prefix in SECTIONS if prefix and path.startswith(prefix)), "")


def render_task_definition() -> str:
    """Return the page of RegisterTaskDefinition."""
    rows: dict[str, list[str]] = {prefix: [] for prefix in SECTIONS}
    for path, field, fate in walk(TASK_DEFINITION):
        known = describe(field, fate)
        why = field.why.removeprefix(LATER) if fate is field.fate else ""
        note = NOTES.get(path, why)
        cells = [f"`{path}`", DOCKER.get(path, known), PODMAN.get(path, known), note]
        rows[section_of(path)].append(f"| {' | '.join(cells)} |")
    parts = [TASK_DEFINITION_INTRODUCTION]
    for prefix, title in SECTIONS.items():
        head = f"## {title}\n\n| field | Docker | Podman | |\n| --- | --- | --- | --- |\n"
        parts.append(head + "\n".join(rows[prefix]) + "\n")
    return "\n".join(parts)


def render_run_task() -> str:
    """Return the page of RunTask."""
    rows = []
    for path, member in RUN_TASK.items():
        asked = f"`{member.asked_by[0]}({member.asked_by[1]}=…)`" if member.asked_by else ""
        rows.append(f"| `{path}` | {member.fate} | {asked} | {member.why} | {member.api} |")
    head = "| member | in a test | asked for with | | in a call |\n| --- | --- | --- | --- | --- |\n"
    return RUN_TASK_INTRODUCTION + "\n" + head + "\n".join(rows) + "\n"


if __name__ == "__main__":
    TASK_DEFINITION_PAGE.write_text(render_task_definition(), encoding="utf-8")
    RUN_TASK_PAGE.write_text(render_run_task(), encoding="utf-8")
