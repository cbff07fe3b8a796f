"""The plugin works among what else a test suite uses: mocks, frozen time, forbidden sockets, xdist, asyncio, strict warnings.

Each test is a project of a user's, run by a pytest of its own on the engine under test; afterwards nothing of the run
is left there. (Mocks against the engine client alone: test_mocks.py. How runs end: test_teardown.py.)
"""

from __future__ import annotations

import pytest

from suite import Suite

CONFTEST = """
import pathlib
import pytest

SCRIPT = (
    "mkdir /w; echo hi > /w/page; httpd -p 8080 -h /w; trap 'exit 0' TERM; echo up; while :; do sleep 9 & wait; done"
)
TASK = {
    "family": "among",
    "networkMode": "awsvpc",
    "memory": "128",
    "containerDefinitions": [
        {
            "name": "app",
            "image": "pytest-ecs-tasks/busybox:1",
            "command": ["sh", "-c", SCRIPT],
            "portMappings": [{"containerPort": 8080}],
            "healthCheck": {"command": ["CMD-SHELL", "wget -q -O- localhost:8080/page"], "interval": 30},
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": "/ecs/among", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "t",
                },
            },
        }
    ],
}


def use(task, aws):
    # Something of everything: engine, link, AWS for the engine and AWS for the test.
    assert task.health_status == "HEALTHY"
    task.wait_for_log("up")
    assert task.exec("app", "echo done").stdout == "done\\n"
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="ours")
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["ours"]
    get = "wget -q -O- $AWS_ENDPOINT_URL/ours | grep -o '<Name>[a-z]*'"
    assert task.exec("app", get).stdout == "<Name>ours\\n"
    assert task.stop().exit_code() == 0
    stream = {"logGroupName": "/ecs/among", "logStreamName": f"t/app/{task.task_id}"}
    messages = [event["message"] for event in aws.client("logs").get_log_events(**stream)["events"]]
    assert messages == ["up"]
"""

# What pytest-asyncio and anyio's plugin do at heart, without their settings: the test's body runs in an event loop.
ASYNC_RUNNER = """
import asyncio
import inspect
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if inspect.iscoroutinefunction(pyfuncitem.obj):
        asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}))
        return True
"""


@pytest.fixture
def suite(pytester, engine_url, monkeypatch):
    for name in ("AWS", "KEEP", "PULL", "HEALTH", "LOGS"):
        monkeypatch.delenv(f"PYTEST_ECS_{name}", raising=False)
    monkeypatch.setenv("PYTEST_ECS_ENGINE", engine_url)
    suite = Suite(pytester, engine_url)
    suite.file("conftest.py", CONFTEST)
    return suite


def run(suite, tests, *arguments):
    suite.file("test_it.py", "import pytest\nfrom conftest import TASK, use\n" + tests)
    return suite.run("-s", *arguments)


def test_http_mocks_of_the_test_reach_neither_the_engine_nor_the_tests_aws(suite):
    result = run(
        suite,
        """
import requests
import responses as responses_library

@responses_library.activate
def test_responses(ecs_task_factory, ecs_aws):
    with pytest.raises(requests.ConnectionError):
        requests.get("http://127.0.0.1:9/")
    use(ecs_task_factory.run(TASK), ecs_aws)
    ecs_aws.reset()
    assert len(responses_library.calls) == 1

def test_requests_mock(requests_mock, ecs_task_factory, ecs_aws):
    requests_mock.get("http://example.test/", text="mocked")
    assert requests.get("http://example.test/").text == "mocked"
    use(ecs_task_factory.run(TASK), ecs_aws)
    ecs_aws.reset()
    assert len(requests_mock.request_history) == 1
""",
    )

    result.assert_outcomes(passed=2)
    assert suite.left_over() == []


@pytest.mark.any_engine
def test_frozen_time_stops_neither_the_task_nor_its_timeouts(suite):
    result = run(
        suite,
        """
import datetime
import time
import freezegun
from pytest_ecs_tasks import WaitTimeout

BEGAN = datetime.datetime.now(datetime.UTC)

@pytest.fixture
def frozen():
    with freezegun.freeze_time("2020-02-29 12:00:00"):
        yield

@pytest.mark.ecs_taskdef(TASK)
def test_frozen(frozen, ecs_task, ecs_aws):
    assert time.time() == datetime.datetime(2020, 2, 29, 12, tzinfo=datetime.UTC).timestamp()
    described = ecs_task.describe()
    assert described["createdAt"] >= BEGAN
    assert described["createdAt"] < described["startedAt"]
    with pytest.raises(WaitTimeout):
        ecs_task.wait_for_log("never", timeout=0.2)
    with pytest.raises(WaitTimeout):
        ecs_task.wait_for(lambda: False, timeout=0.2)
    with pytest.raises(WaitTimeout):
        ecs_task.exec("app", "sleep 60", timeout=0.2)
    use(ecs_task, ecs_aws)
    assert {line.time.year for line in ecs_task.log_lines()} == {BEGAN.year}

@freezegun.freeze_time("2099-01-01", tick=True)
def test_the_future(ecs_task_factory, ecs_aws):
    use(ecs_task_factory.run(TASK), ecs_aws)
""",
    )

    result.assert_outcomes(passed=2)
    assert suite.left_over() == []


def test_sockets_that_are_forbidden_to_tests_are_not_to_the_plugin(suite):
    result = run(
        suite,
        """
import socket
import urllib.request
import pytest_socket

@pytest.mark.ecs_taskdef(TASK)
@pytest.mark.ecs_secret("password", "x")
def test_forbidden(ecs_task, ecs_aws):
    with pytest.raises(pytest_socket.SocketBlockedError), pytest.warns(UserWarning, match="tried to use socket"):
        socket.socket()
    use(ecs_task, ecs_aws)
    assert ecs_aws.client("secretsmanager").get_secret_value(SecretId="password")["SecretString"] == "x"
    ecs_aws.reset()
    assert ecs_aws.resource("s3").meta.client.list_buckets()["Buckets"] == []

@pytest.mark.enable_socket
@pytest.mark.ecs_taskdef(TASK)
def test_allowed(ecs_task):
    with urllib.request.urlopen(ecs_task.url(path="/page"), timeout=60) as response:
        assert response.read() == b"hi\\n"

@pytest.mark.allow_hosts(["192.0.2.1"])
@pytest.mark.ecs_taskdef(TASK)
def test_other_hosts_are_allowed(ecs_task, ecs_aws):
    use(ecs_task, ecs_aws)
""",
        "--disable-socket",
    )

    result.assert_outcomes(passed=3)
    assert suite.left_over() == []


@pytest.mark.any_engine
def test_a_mock_aws_of_the_users_and_the_tests_aws_leave_each_other_alone(suite):
    result = run(
        suite,
        """
import boto3
from moto import mock_aws

@pytest.fixture
def mocked():
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="theirs")
        yield s3
        assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["theirs"]

def check(mocked, task, aws):
    use(task, aws)
    assert [bucket["Name"] for bucket in mocked.list_buckets()["Buckets"]] == ["theirs"]

def test_the_mock_comes_first(mocked, ecs_task_factory, ecs_aws):
    check(mocked, ecs_task_factory.run(TASK), ecs_aws)

@pytest.mark.ecs_taskdef(TASK)
def test_the_mock_comes_last(ecs_task, ecs_aws, mocked):
    check(mocked, ecs_task, ecs_aws)

@mock_aws
@pytest.mark.ecs_taskdef(TASK)
def test_decorated(ecs_task, ecs_aws):
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="theirs")
    check(s3, ecs_task, ecs_aws)

@pytest.mark.ecs_taskdef(TASK)
def test_the_mock_ends_while_the_task_lives(ecs_task, ecs_aws):
    before = ecs_aws.client("sqs")
    with mock_aws():
        boto3.client("sqs", region_name="us-east-1").create_queue(QueueName="theirs")
        before.create_queue(QueueName="ours")
    assert [url.rpartition("/")[2] for url in before.list_queues()["QueueUrls"]] == ["ours"]
    use(ecs_task, ecs_aws)
""",
    )

    result.assert_outcomes(passed=4)
    assert suite.left_over() == []


def test_no_warning_and_no_open_file_or_socket_is_left_for_strict_python_to_find(suite, monkeypatch):
    monkeypatch.setenv("PYTHONDEVMODE", "1")  # it also reports what the interpreter finds unclosed at its end
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    result = run(
        suite,
        """
import gc

@pytest.mark.ecs_taskdef(TASK)
def test_it(ecs_task, ecs_aws, ecs_network):
    use(ecs_task, ecs_aws)
    ecs_aws.reset()

def test_nothing_is_found_afterwards():
    gc.collect()
""",
        "-W",
        "error",
    )

    result.assert_outcomes(passed=2)
    assert "Warning" not in result.stdout.str() + result.stderr.str()
    assert suite.left_over() == []


def test_each_of_four_xdist_workers_has_a_network_of_its_own_and_none_is_left(suite):
    result = run(
        suite,
        """
@pytest.mark.ecs_taskdef(TASK)
def test_it(ecs_task, ecs_aws, ecs_network, pytestconfig):
    use(ecs_task, ecs_aws)
    (pytestconfig.rootpath / f"network-{ecs_network.name}").touch()
""",
        "-n4",
        "--dist=each",
    )

    result.assert_outcomes(passed=4)
    networks = {path.name.rpartition("-")[2] for path in suite.path.glob("network-*")}
    assert len(networks) == 4
    assert networks <= set(suite.runs)
    assert suite.left_over() == []


@pytest.mark.any_engine
def test_an_async_test_uses_a_task_from_threads(suite):
    suite.file("run_async.py", ASYNC_RUNNER)
    result = run(
        suite,
        """
import asyncio

@pytest.mark.ecs_taskdef(TASK)
async def test_it(ecs_task_factory, ecs_task, ecs_aws):
    task = await asyncio.to_thread(ecs_task_factory.run, TASK)
    first, second = await asyncio.gather(
        asyncio.to_thread(task.wait_for_log, "up"), asyncio.to_thread(ecs_task.wait_for_log, "up")
    )
    assert (first.text, second.text) == ("up", "up")
    ended = asyncio.create_task(asyncio.to_thread(task.wait_stopped))
    await asyncio.to_thread(task.stop)
    await ended
    await asyncio.to_thread(use, ecs_task, ecs_aws)
""",
        "-p",
        "run_async",
    )

    result.assert_outcomes(passed=1)
    assert suite.left_over() == []


@pytest.mark.parametrize("wait", ["task.wait_stopped()", "task.exec('app', 'sleep 300', timeout=300)"])
def test_ctrl_c_ends_a_wait_and_leaves_nothing(suite, wait):
    result = run(
        suite,
        f"""
import os
import signal
import threading

@pytest.mark.ecs_taskdef(TASK, wait="running")
def test_it(ecs_task):
    task = ecs_task

    def press():
        task.wait_for_log("up")
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    {wait}
""",
    )

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "KeyboardInterrupt" in result.stdout.str()
    assert suite.left_over() == []
