"""``EcsTask`` and ``EcsContainer``, member by member."""

from __future__ import annotations

import re
import socket
import urllib.request

import botocore.session
import pytest

import pytest_ecs_tasks
from pytest_ecs_tasks import EcsContainer, EcsTask, EcsTaskError, ExecResult, LogLine, WaitTimeout

SHOP = "taskdef.json"

# One task is enough for the tests that only look at it.
shop = pytest_ecs_tasks.task_fixture(SHOP, scope="module")


def test_the_task_is_identified_as_ecs_does(shop):
    assert isinstance(shop, EcsTask)
    assert re.fullmatch(r"arn:aws:ecs:us-east-1:123456789012:task/default/[0-9a-f]{32}", shop.arn)
    assert shop.task_id == shop.arn.rsplit("/", 1)[1]
    assert shop.family == "shop"
    assert isinstance(shop.revision, int)
    assert shop.revision >= 1
    assert shop.definition is not None


def test_a_task_that_was_waited_for_is_running_and_healthy(shop):
    assert shop.last_status == "RUNNING"
    assert shop.desired_status == "RUNNING"
    assert shop.health_status == "HEALTHY"
    assert shop.stop_code is None
    assert shop.stopped_reason is None


def test_the_repr_is_one_readable_line(shop):
    assert repr(shop) == f"<EcsTask shop:{shop.revision} RUNNING web=RUNNING/HEALTHY init=STOPPED(0)>" or (
        repr(shop) == f"<EcsTask shop:{shop.revision} RUNNING init=STOPPED(0) web=RUNNING/HEALTHY>"
    )


def test_containers_are_found_by_name(shop):
    assert set(shop.containers) == {"init", "web"}
    web = shop["web"]
    assert isinstance(web, EcsContainer)
    assert shop.containers["web"].name == "web"
    assert web.image == "pytest-ecs-tasks/busybox:1"
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", web.image_digest)
    assert web.runtime_id
    assert web.last_status == "RUNNING"
    assert web.health_status == "HEALTHY"
    assert web.exit_code is None
    assert web.reason is None


def test_a_container_that_ended_says_how(shop):
    init = shop["init"]
    assert init.last_status == "STOPPED"
    assert init.exit_code == 0
    assert init.health_status == "UNKNOWN"
    assert shop.exit_code("init") == 0
    assert shop.exit_code("web") is None


def test_an_unknown_container_is_an_error_that_lists_the_names(shop):
    with pytest.raises((KeyError, EcsTaskError)) as caught:
        shop["wbe"]
    assert "web" in str(caught.value)
    assert "init" in str(caught.value)
    for call in (shop.logs, shop.log_lines, shop.exit_code, shop.url, shop.address):
        with pytest.raises((KeyError, EcsTaskError)) as caught:
            call("wbe")
        assert "web" in str(caught.value)


def test_url_and_address_lead_to_the_one_container_with_ports(shop):
    host, port = shop.address()
    assert isinstance(host, str)
    assert isinstance(port, int)
    assert shop.address("web", 8080) == (host, port)
    assert shop.url() == f"http://{host}:{port}/"
    assert shop.url("web", 8080, "/a?b=c", "https") == f"https://{host}:{port}/a?b=c"
    assert shop.url(path="index.html") == f"http://{host}:{port}/index.html"
    with socket.create_connection((host, port), timeout=60):
        pass
    with urllib.request.urlopen(shop.url(), timeout=60) as response:
        assert response.read() == b"hello from the definition\n"


def test_a_port_that_is_not_mapped_is_an_error_that_lists_those_that_are(shop):
    with pytest.raises(EcsTaskError) as caught:
        shop.address("web", 9999)
    assert "8080" in str(caught.value)
    with pytest.raises(EcsTaskError):
        shop.address("init")


def test_logs_are_what_arrived_and_nothing_added(shop):
    assert sorted(shop.logs("init").splitlines()) == ["careful", "preparing"]
    assert shop.logs("init").endswith("\n")
    shop.wait_for_log("listening")
    assert shop.logs("web") == "listening\n"
    assert shop.logs() == "listening\n"


def test_log_lines_have_time_container_stream_and_text(shop):
    lines = shop.log_lines("init")
    assert {(line.stream, line.text) for line in lines} == {("stdout", "preparing"), ("stderr", "careful")}
    for line in lines:
        assert isinstance(line, LogLine)
        assert line.container == "init"
        assert line.time is not None


def test_a_log_line_that_is_there_is_found_at_once(shop):
    shop.wait_for_log("listening")

    line = shop.wait_for_log("listening", timeout=0)
    assert isinstance(line, LogLine)
    assert (line.container, line.stream, line.text) == ("web", "stdout", "listening")
    assert shop.wait_for_log(r"^prep\w+$", container="init", timeout=0).text == "preparing"
    assert (
        shop.wait_for_log(re.compile("LISTEN", re.IGNORECASE), container="web", timeout=0).text == "listening"
    )


def test_a_shell_command_is_run_by_a_shell_and_a_list_as_it_is(shop):
    result = shop.exec("web", "echo $WHO; echo bad >&2; exit 4")
    assert isinstance(result, ExecResult)
    assert (result.exit_code, result.stdout, result.stderr) == (4, "the definition\n", "bad\n")
    assert shop.exec("web", ["echo", "$WHO"]).stdout == "$WHO\n"


def test_a_checked_command_that_fails_is_an_error_with_its_output(shop):
    assert shop.exec("web", "true", check=True).exit_code == 0
    with pytest.raises(EcsTaskError) as caught:
        shop.exec("web", "echo lost >&2; exit 9", check=True)
    assert "9" in str(caught.value)
    assert "lost" in str(caught.value)


def test_a_command_that_hangs_is_an_error_at_its_timeout(shop):
    with pytest.raises(WaitTimeout) as caught:
        shop.exec("web", "echo begun; sleep 600", timeout=1)
    assert "sleep 600" in str(caught.value)
    assert shop.exec("web", "echo alive").stdout == "alive\n"


def test_a_command_that_is_not_there_says_so(shop):
    try:
        result = shop.exec("web", ["no-such-program"])
    except EcsTaskError as error:
        assert "no-such-program" in str(error)
    else:
        assert result.exit_code in (126, 127)
        assert "no-such-program" in result.stderr + result.stdout


def test_a_command_in_a_container_that_stopped_is_an_error(shop):
    with pytest.raises(EcsTaskError) as caught:
        shop.exec("init", "true")
    assert "init" in str(caught.value)


def test_large_output_of_a_command_is_complete(shop):
    result = shop.exec("web", "yes 0123456789 | head -c 3000000")
    assert len(result.stdout) == 3_000_000


def test_describe_is_what_describe_tasks_returns(shop):
    task = shop.describe()
    model = botocore.session.get_session().get_service_model("ecs")
    known = model.shape_for("Task").members
    assert set(task) <= set(known)
    assert task["taskArn"] == shop.arn
    assert task["lastStatus"] == "RUNNING"
    assert task["desiredStatus"] == "RUNNING"
    assert task["healthStatus"] == "HEALTHY"
    assert task["clusterArn"] == "arn:aws:ecs:us-east-1:123456789012:cluster/default"
    assert (
        task["taskDefinitionArn"]
        == f"arn:aws:ecs:us-east-1:123456789012:task-definition/shop:{shop.revision}"
    )
    assert task["createdAt"] <= task["startedAt"]
    assert task["launchType"] in ("EC2", "FARGATE")
    assert task["version"] >= 1
    containers = {each["name"]: each for each in task["containers"]}
    for container in containers.values():
        assert set(container) <= set(model.shape_for("Container").members)
    assert containers["init"]["exitCode"] == 0
    assert containers["web"]["lastStatus"] == "RUNNING"
    assert containers["web"]["networkInterfaces"][0]["privateIpv4Address"]
    assert containers["web"]["taskArn"] == shop.arn
    assert "exitCode" not in containers["web"]
    (attachment,) = task["attachments"]
    assert (attachment["type"], attachment["status"]) == ("ElasticNetworkInterface", "ATTACHED")
    details = {each["name"]: each["value"] for each in attachment["details"]}
    assert details["privateIPv4Address"] == shop.address("web")[0] or shop.address("web")[0] == "127.0.0.1"
    assert re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", details["macAddress"])


def test_describe_passes_botocores_own_serializer(shop):
    model = botocore.session.get_session().get_service_model("ecs")
    shape = model.shape_for("Task")
    check_shape(shape, shop.describe(), "task")


def check_shape(shape, value, place):
    kinds = {
        "string": str, "integer": int, "long": int, "boolean": bool, "structure": dict, "list": list, "map": dict,
        "double": float, "float": float,
    }  # fmt: skip
    if shape.type_name == "timestamp":
        assert hasattr(value, "isoformat"), place
        return
    assert isinstance(value, kinds[shape.type_name]), (place, value)
    if shape.type_name == "structure":
        for name, member in value.items():
            assert name in shape.members, f"{place}.{name}"
            check_shape(shape.members[name], member, f"{place}.{name}")
    elif shape.type_name == "list":
        for index, member in enumerate(value):
            check_shape(shape.member, member, f"{place}[{index}]")


def test_events_are_task_state_changes_in_order(shop):
    events = shop.events
    statuses = [event["detail"]["lastStatus"] for event in events]
    order = ["PROVISIONING", "PENDING", "ACTIVATING", "RUNNING"]
    assert statuses == sorted(statuses, key=order.index)
    assert statuses[0] == "PROVISIONING"
    assert statuses[-1] == "RUNNING"
    versions = [event["detail"]["version"] for event in events]
    assert versions == sorted(set(versions))
    for event in events:
        assert event["detail-type"] == "ECS Task State Change"
        assert event["source"] == "aws.ecs"
        assert event["resources"] == [shop.arn]
        assert event["detail"]["taskArn"] == shop.arn
        assert event["account"] == "123456789012"
        assert event["region"] == "us-east-1"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["time"])
        assert isinstance(event["detail"]["createdAt"], str)


def test_the_transcript_says_what_happened_and_why(shop):
    text = shop.transcript()
    assert isinstance(text, str)
    for words in ("init: exited 0", "the task is RUNNING", "web: health check passed"):
        assert words in text
    assert len(text.splitlines()) > 4


def test_waiting_for_what_is_so_already_returns(shop):
    shop.wait_running(timeout=0)
    shop.wait_healthy(timeout=0)
    shop.wait_for(lambda: True, timeout=0)


@pytest.mark.ecs_taskdef(SHOP)
def test_a_killed_essential_container_stops_the_task(ecs_task):
    ecs_task.kill("web")
    ecs_task.wait_stopped(timeout=60)
    assert ecs_task.exit_code("web") == 137
    assert ecs_task.stop_code == "EssentialContainerExited"
    assert ecs_task.stopped_reason == "Essential container in task exited"
    assert ecs_task.last_status == "STOPPED"
    assert ecs_task.desired_status == "STOPPED"
    assert ecs_task.logs("web") == "listening\n"
    assert "web=STOPPED(137)" in repr(ecs_task)
    assert [event["detail"]["lastStatus"] for event in ecs_task.events][-1] == "STOPPED"
    described = ecs_task.describe()
    assert described["stopCode"] == "EssentialContainerExited"
    assert described["stoppedAt"] >= described["stoppingAt"] >= described["startedAt"]
    check_shape(botocore.session.get_session().get_service_model("ecs").shape_for("Task"), described, "task")


@pytest.mark.ecs_taskdef(SHOP)
def test_a_paused_container_answers_again_when_it_goes_on(ecs_task):
    ecs_task.pause("web")
    with pytest.raises(OSError, match=r"timed out|refused|reset"):
        with urllib.request.urlopen(ecs_task.url("web"), timeout=0.5) as response:
            response.read()
    ecs_task.unpause("web")
    with urllib.request.urlopen(ecs_task.url("web"), timeout=60) as response:
        assert response.status == 200


def test_a_signal_reaches_the_application(ecs_task_factory, define, sh):
    script = "trap 'echo got HUP; exit 5' HUP; echo up; while :; do sleep 0.05; done"
    with ecs_task_factory.run(define(sh("app", script)), wait="running") as task:
        task.wait_for_log("up", timeout=60)
        task.kill("app", "SIGHUP")
        task.wait_stopped(timeout=60)
        assert task.exit_code() == 5
        assert task.logs() == "up\ngot HUP\n"


def test_stop_is_polite_and_returns_when_the_task_is_stopped(ecs_task_factory, define, sh):
    polite = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    task = ecs_task_factory.run(define(sh("app", polite)))
    task.wait_for_log("up", timeout=60)
    assert task.stop(reason="enough") is task
    assert task.last_status == "STOPPED"
    assert task.stop_code == "UserInitiated"
    assert task.stopped_reason == "enough"
    assert task.exit_code("app") == 0
    assert task.logs() == "up\nbye\n"
    assert task.stop() is task
    assert task.stopped_reason == "enough"


def test_stop_kills_what_does_not_listen(ecs_task_factory, define, sh):
    task = ecs_task_factory.run(define(sh("app", "trap '' TERM; echo up; while :; do sleep 0.05; done")))
    task.wait_for_log("up", timeout=60)
    task.stop()
    assert task.exit_code() == 137


def test_stop_goes_in_reverse_order_of_dependencies(ecs_task_factory, define, sh):
    polite = "trap 'date +%s%N; exit 0' TERM; echo up; while :; do busybox usleep 20000; done"
    depends = [{"containerName": "db", "condition": "START"}]
    task = ecs_task_factory.run(define(sh("db", polite), sh("app", polite, dependsOn=depends)))
    for name in ("db", "app"):
        task.wait_for_log("up", container=name, timeout=60)
    task.stop()
    transcript = task.transcript()
    assert task.exit_code("db") == 0, transcript
    assert task.exit_code("app") == 0, transcript
    db, app = (task.log_lines(name)[-1].time for name in ("db", "app"))
    assert app <= db


def test_two_essential_containers_need_a_name(ecs_task_factory, define, sh):
    task = ecs_task_factory.run(define(sh("one", "sleep 60"), sh("two", "sleep 60")))
    for call in (task.exit_code, task.logs, task.log_lines, task.url, task.address):
        with pytest.raises(EcsTaskError) as caught:
            call()
        assert "one" in str(caught.value)
        assert "two" in str(caught.value)


def test_bridge_mode_binds_ports_that_the_test_reaches(ecs_task_factory, define, sh):
    web = sh(
        "web",
        "mkdir /tmp/w; echo hi > /tmp/w/index.html; exec busybox httpd -f -p 80 -h /tmp/w",
        portMappings=[{"containerPort": 80, "hostPort": 0}],
        healthCheck={"command": ["CMD-SHELL", "busybox wget -q -O /dev/null http://127.0.0.1/"]},
    )
    task = ecs_task_factory.run(define(web, networkMode="bridge"))
    (binding,) = task["web"].network_bindings
    assert binding["containerPort"] == 80
    assert binding["hostPort"] > 0
    assert binding["protocol"] == "tcp"
    assert task.address("web", 80)[1] == binding["hostPort"]
    with urllib.request.urlopen(task.url(), timeout=60) as response:
        assert response.read() == b"hi\n"
