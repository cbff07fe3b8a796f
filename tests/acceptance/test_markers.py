"""Markers, argument by argument, as a test author combines them."""

from __future__ import annotations

import json

import pytest

import pytest_ecs_tasks
from pytest_ecs_tasks import EcsTaskError, TaskDefinitionError, TaskFailedToStart

pytestmark = pytest.mark.any_engine

IMAGE = "pytest-ecs-tasks/busybox:1"


def job(script, **fields):
    container = {
        "name": "job", "image": IMAGE, "memory": 64, "entryPoint": ["/bin/sh", "-c"], "command": [script],
        "environment": [{"name": "A", "value": "file"}, {"name": "B", "value": "file"}, {"name": "C", "value": "file"}],
    }  # fmt: skip
    container.update(fields)
    return {"family": "job", "networkMode": "awsvpc", "containerDefinitions": [container]}


SHOW = job("echo $A $B $C; echo args: $0 $@")


@pytest.mark.ecs_taskdef("taskdef.json")
class TestNearestMarkerWins:
    def test_the_class_gives_the_definition(self, ecs_task):
        assert ecs_task.family == "shop"

    @pytest.mark.ecs_taskdef(SHOW, wait="stopped")
    def test_the_function_is_nearer(self, ecs_task):
        assert ecs_task.family == "job"
        assert ecs_task.logs().splitlines()[0] == "file file file"


@pytest.mark.ecs_taskdef(SHOW, wait="stopped")
@pytest.mark.ecs_overrides("job", environment={"A": "outer", "B": "outer"})
class TestOverridesStack:
    @pytest.mark.ecs_overrides("job", environment={"B": "inner"})
    def test_inner_environment_over_outer(self, ecs_task):
        assert ecs_task.logs().splitlines()[0] == "outer inner file"
        (override,) = ecs_task.describe()["overrides"]["containerOverrides"]
        assert override["name"] == "job"
        assert {each["name"]: each["value"] for each in override["environment"]} == {
            "A": "outer",
            "B": "inner",
        }

    @pytest.mark.ecs_overrides("job", command=["echo command $A"])
    def test_a_command_is_replaced_and_the_outer_environment_stays(self, ecs_task):
        assert ecs_task.logs() == "command outer\n"

    @pytest.mark.ecs_overrides("job", command=["cat /sys/fs/cgroup/memory.max"], memory=32, cpu=128)
    def test_sizes_are_overridden(self, ecs_task):
        (override,) = ecs_task.describe()["overrides"]["containerOverrides"]
        assert (override["cpu"], override["memory"]) == (128, 32)
        (container,) = ecs_task.describe()["containers"]
        assert container["memory"] == "32"
        if ecs_task.exit_code() == 0:
            assert ecs_task.logs() == f"{32 * 1024 * 1024}\n"

    @pytest.mark.ecs_overrides(
        "job", image="pytest-ecs-tasks/python:1", command=["python3 -c 'print(6 * 7)'"]
    )
    def test_an_image_is_overridden(self, ecs_task):
        assert ecs_task.logs() == "42\n"
        assert ecs_task["job"].image == "pytest-ecs-tasks/python:1"


@pytest.mark.ecs_taskdef(
    job("true", image="registry.invalid/team/job:7"), images={"job": IMAGE}, wait="stopped"
)
def test_an_image_is_mapped_by_container_name(ecs_task):
    assert ecs_task.exit_code() == 0


@pytest.mark.ecs_taskdef(
    job("true", image="registry.invalid/team/job:7"),
    images={"registry.invalid/team/job:7": IMAGE},
    wait="stopped",
)
def test_an_image_is_mapped_by_its_reference(ecs_task):
    assert ecs_task.exit_code() == 0


@pytest.mark.ecs_taskdef(
    job("true", image="registry.invalid/team/job:7"),
    images={"registry.invalid/team/job": IMAGE},
    wait="stopped",
)
def test_an_image_is_mapped_by_its_reference_without_the_tag(ecs_task):
    assert ecs_task.exit_code() == 0


@pytest.mark.ecs_taskdef(
    job("true", image="<IMAGE1_NAME>"), substitute={"<IMAGE1_NAME>": IMAGE}, wait="stopped"
)
def test_a_placeholder_is_substituted(ecs_task):
    assert ecs_task.exit_code() == 0
    assert ecs_task["job"].image == IMAGE


@pytest.mark.ecs_taskdef(job("echo ${GREETING}"), substitute={"${GREETING}": "hello"}, wait="stopped")
def test_a_placeholder_inside_a_text_is_substituted(ecs_task):
    assert ecs_task.logs() == "hello\n"


def test_an_image_slot_left_unfilled_names_container_slot_and_way(ecs_task_factory):
    for slot in ("<IMAGE1_NAME>", ""):
        with pytest.raises(EcsTaskError) as caught:
            ecs_task_factory.run(job("true", image=slot))
        text = str(caught.value)
        assert "job" in text
        assert slot in text
        assert "images" in text or "substitute" in text


@pytest.mark.ecs_taskdef(job("true"), launch_type="FARGATE", wait="stopped")
def test_a_definition_that_fargate_would_refuse_is_refused_with_its_launch_type(request):
    with pytest.raises(TaskDefinitionError):
        request.getfixturevalue("ecs_task")


FARGATE = {**job("true"), "cpu": "256", "memory": "512", "requiresCompatibilities": ["FARGATE"]}


@pytest.mark.ecs_taskdef(FARGATE, wait="stopped")
def test_a_fargate_definition_runs_on_fargate(ecs_task):
    assert ecs_task.describe()["launchType"] == "FARGATE"
    assert ecs_task.describe()["platformVersion"]


@pytest.mark.ecs_taskdef(
    {**job("true"), "cpu": "256", "memory": "512"}, launch_type="FARGATE", wait="stopped"
)
def test_the_launch_type_is_the_markers(ecs_task):
    assert ecs_task.describe()["launchType"] == "FARGATE"


@pytest.mark.ecs_taskdef(job("true"), launch_type="EC2", wait="stopped")
def test_the_launch_type_may_be_ec2(ecs_task):
    assert ecs_task.describe()["launchType"] == "EC2"


SECRETS = job(
    'echo "$WHOLE"; echo "$PASSWORD"; echo "$TITLE"; echo "$BLOB"',
    secrets=[
        {"name": "WHOLE", "valueFrom": "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db"},
        {
            "name": "PASSWORD",
            "valueFrom": "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db:password::",
        },
        {"name": "TITLE", "valueFrom": "/shop/title"},
        {"name": "BLOB", "valueFrom": "arn:aws:ssm:us-east-1:123456789012:parameter/shop/blob"},
    ],
)
SECRETS["executionRoleArn"] = "arn:aws:iam::123456789012:role/execution"


@pytest.mark.ecs_taskdef(SECRETS, wait="stopped")
@pytest.mark.ecs_secret("prod/db", {"password": "s3cret", "port": 5432})
@pytest.mark.ecs_parameter("/shop/title", "Shop", secure=False)
@pytest.mark.ecs_parameter("/shop/blob", {"a": [1, 2]})
def test_secrets_and_parameters_reach_the_container(ecs_task, ecs_aws):
    whole, password, title, blob = ecs_task.logs().splitlines()
    assert json.loads(whole) == {"password": "s3cret", "port": 5432}
    assert password == "s3cret"
    assert title == "Shop"
    assert json.loads(blob) == {"a": [1, 2]}
    ssm = ecs_aws.client("ssm")
    assert ssm.get_parameter(Name="/shop/title")["Parameter"]["Type"] == "String"
    assert ssm.get_parameter(Name="/shop/blob")["Parameter"]["Type"] == "SecureString"
    for text in (repr(ecs_task), ecs_task.transcript(), json.dumps(ecs_task.describe(), default=str)):
        assert "s3cret" not in text


ARN = "arn:aws:secretsmanager:eu-west-1:999999999999:secret:prod/api-AbCdEf"
BY_ARN = job("echo $KEY", secrets=[{"name": "KEY", "valueFrom": ARN}])
BY_ARN["executionRoleArn"] = "arn:aws:iam::999999999999:role/execution"


@pytest.mark.ecs_taskdef(BY_ARN, wait="stopped")
@pytest.mark.ecs_secret(ARN, "by arn")
def test_a_secret_is_named_by_a_full_arn_of_another_account_and_region(ecs_task):
    assert ecs_task.logs() == "by arn\n"


@pytest.mark.ecs_taskdef(BY_ARN, wait="running")
def test_a_secret_that_is_missing_is_named_with_the_way_to_add_it(request):
    with pytest.raises(TaskFailedToStart) as caught:
        request.getfixturevalue("ecs_task")
    text = str(caught.value)
    for words in ("prod/api", "KEY", "ecs_secret", "job"):
        assert words in text


LOGGED = job(
    "echo to cloudwatch",
    logConfiguration={
        "logDriver": "awslogs",
        "options": {"awslogs-group": "/ecs/job", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "p"},
    },
)


@pytest.mark.ecs_taskdef(LOGGED, wait="stopped")
@pytest.mark.ecs_log_group("/ecs/job")
def test_logs_arrive_in_cloudwatch(ecs_task, ecs_aws):
    events = ecs_aws.client("logs").get_log_events(
        logGroupName="/ecs/job", logStreamName=f"p/job/{ecs_task.task_id}"
    )["events"]
    assert [event["message"] for event in events] == ["to cloudwatch"]


@pytest.mark.ecs_engine("docker")
@pytest.mark.ecs_taskdef(SHOW, wait="stopped")
def test_only_on_docker(ecs_task, engine_url):
    assert "podman" not in engine_url


@pytest.mark.ecs_engine("podman")
@pytest.mark.ecs_taskdef(SHOW, wait="stopped")
def test_only_on_podman(ecs_task, engine_url):
    assert "podman" in engine_url


@pytest.mark.parametrize("ecs_task", [job("sleep 60"), "taskdef.json"], indirect=True)
def test_an_indirect_parameter_is_the_source(ecs_task):
    assert ecs_task.family in ("job", "shop")


@pytest.mark.ecs_taskdef("taskdef.json", wait="stopped")
@pytest.mark.parametrize("ecs_task", [SHOW], indirect=True)
def test_an_indirect_parameter_comes_before_the_marker(ecs_task):
    assert ecs_task.family == "job"


def test_count_runs_that_many(ecs_task_factory):
    tasks = ecs_task_factory.run(job("sleep 60"), count=3)
    assert len(tasks) == 3
    assert len({task.arn for task in tasks}) == 3
    assert {task.last_status for task in tasks} == {"RUNNING"}
    assert len({task["job"].runtime_id for task in tasks}) == 3


def test_a_definition_registered_through_the_api_is_a_source(ecs_task_factory, ecs_aws):
    ecs = ecs_aws.client("ecs")
    first = job("echo first", stopTimeout=2)
    second = job("echo second", stopTimeout=2)
    ecs.register_task_definition(**first)
    ecs.register_task_definition(**second)
    newest = ecs_task_factory.run("job", wait="stopped")
    assert newest.logs() == "second\n"
    assert (newest.family, newest.revision) == ("job", 2)
    oldest = ecs_task_factory.run("job:1", wait="stopped")
    assert oldest.logs() == "first\n"
    assert oldest.revision == 1


@pytest.fixture
def registered(ecs_aws):
    ecs_aws.client("ecs").register_task_definition(**job("echo from the api"))


@pytest.mark.ecs_taskdef("job:1", wait="stopped")
def test_the_marker_takes_a_registered_definition(registered, ecs_task):
    assert ecs_task.logs() == "from the api\n"


def test_the_factory_takes_overrides_and_environment(ecs_task_factory):
    task = ecs_task_factory.run(SHOW, wait="stopped", environment={"A": "extra"})
    assert task.logs().splitlines()[0] == "extra file file"
    task = ecs_task_factory.run(
        SHOW, wait="stopped", overrides={"job": {"environment": {"B": "over"}, "command": ["echo only $B"]}}
    )
    assert task.logs() == "only over\n"


def test_the_factory_takes_overrides_as_run_task_spells_them(ecs_task_factory):
    overrides = {"containerOverrides": [{"name": "job", "environment": [{"name": "B", "value": "aws"}]}]}
    task = ecs_task_factory.run(SHOW, wait="stopped", overrides=overrides)
    assert task.logs().splitlines()[0] == "file aws file"


def test_a_described_definition_is_a_source(ecs_task_factory, ecs_aws):
    ecs = ecs_aws.client("ecs")
    ecs.register_task_definition(**job("echo described"))
    described = ecs.describe_task_definition(taskDefinition="job")
    assert ecs_task_factory.run(described, wait="stopped").logs() == "described\n"
    assert ecs_task_factory.run(described["taskDefinition"], wait="stopped").logs() == "described\n"


def test_a_path_may_be_a_path(ecs_task_factory, request):
    task = ecs_task_factory.run(request.path.parent / "taskdef.json", wait="running")
    assert task.family == "shop"


module_task = pytest_ecs_tasks.task_fixture(
    SHOW, scope="module", wait="stopped", images={"job": IMAGE}, depends=("prepared",)
)
prepared_for = []


@pytest.fixture(scope="module")
def prepared(ecs_aws):
    prepared_for.append(ecs_aws.client("s3").create_bucket(Bucket="prepared"))


class TestTaskFixture:
    def test_it_sets_up_what_it_depends_on_first(self, module_task, ecs_aws):
        assert len(prepared_for) == 1
        assert module_task.exit_code() == 0
        TestTaskFixture.arn = module_task.arn

    def test_it_is_shared_in_its_scope(self, module_task, ecs_aws):
        assert module_task.arn == self.arn
        buckets = ecs_aws.client("s3").list_buckets()["Buckets"]
        assert [bucket["Name"] for bucket in buckets] == ["prepared"]
