"""Options: command line over environment over ini over default, and what each one does."""

from __future__ import annotations

import re

import pytest

DEAD = "unix:///no/such/engine.sock"

ONE = """
import pytest

@pytest.mark.ecs_taskdef("taskdef.json", wait="running")
def test_one(ecs_task):
    assert ecs_task.last_status in ("RUNNING", "STOPPED")
"""


@pytest.fixture
def one(suite, sh):
    suite.write("test_one.py", ONE)
    suite.write_definition("taskdef.json", sh("app", "echo out; sleep 60"))
    return suite


@pytest.mark.any_engine
def test_the_header_says_which_engine_and_where_the_choice_came_from(one, engine_url, monkeypatch):
    header = r"ecs-tasks: .*"
    text = one.run_text("--collect-only")
    assert engine_url in re.search(header, text)[0]
    assert "PYTEST_ECS_ENGINE" in re.search(header, text)[0]

    text = one.run_text("--collect-only", "--ecs-engine=docker")
    assert "docker" in re.search(header, text)[0]
    assert "--ecs-engine" in re.search(header, text)[0]

    one.write("pytest.ini", "[pytest]\necs_engine = podman\n")
    assert "PYTEST_ECS_ENGINE" in re.search(header, one.run_text("--collect-only"))[0]
    monkeypatch.delenv("PYTEST_ECS_ENGINE")
    line = re.search(header, one.run_text("--collect-only"))[0]
    assert "podman" in line
    assert "ini" in line

    (one.path / "pytest.ini").unlink()
    assert "auto" in re.search(header, one.run_text("--collect-only"))[0]


@pytest.mark.any_engine
def test_an_engine_that_does_not_answer_fails_the_tests_that_need_it(one, monkeypatch):
    one.write("test_plain.py", "def test_plain():\n    pass\n")
    result = one.run(f"--ecs-engine={DEAD}")
    result.assert_outcomes(errors=1, passed=1)
    text = result.stdout.str()
    assert "EngineUnavailable: no container engine answered" in text
    for words in ("tried", DEAD, "--ecs-engine", "--ecs-missing-engine=skip"):
        assert words in text
    assert "pytest_ecs_tasks/plugin" not in text
    assert "Traceback" not in text


@pytest.mark.any_engine
def test_an_engine_that_does_not_answer_skips_them_on_request(one, monkeypatch):
    result = one.run(f"--ecs-engine={DEAD}", "--ecs-missing-engine=skip", "-rs")
    result.assert_outcomes(skipped=1)
    assert "engine" in next(line for line in result.stdout.lines if line.startswith("SKIPPED"))

    monkeypatch.setenv("PYTEST_ECS_MISSING_ENGINE", "skip")
    one.run(f"--ecs-engine={DEAD}", "--ecs-missing-engine=fail").assert_outcomes(errors=1)


@pytest.mark.any_engine
def test_a_wrong_value_is_refused_before_anything_runs(one):
    result = one.run("--ecs-keep=wrong")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in text
    assert "Traceback" not in text
    for expected in ("--ecs-keep", "never", "on-failure", "always"):
        assert expected in text


@pytest.mark.any_engine
@pytest.mark.parametrize(("variable", "ini"), [("PYTEST_ECS_HEALTH", "ecs_health")])
def test_a_wrong_value_elsewhere_is_refused_with_its_place(one, monkeypatch, variable, ini):
    one.write("pytest.ini", f"[pytest]\n{ini} = wrongini\n")
    result = one.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert ini in result.stdout.str() + result.stderr.str()
    monkeypatch.setenv(variable, "wrongenv")
    result = one.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert variable in result.stdout.str() + result.stderr.str()


def test_never_pull_says_that_it_did_not(one, sh):
    one.write_definition("taskdef.json", sh("app", "true", image="registry.invalid/team/app:2"))
    result = one.run("--ecs-pull=never")
    result.assert_outcomes(errors=1)
    text = result.stdout.str()
    assert "ImageError" in text
    assert "registry.invalid/team/app:2" in text
    assert "never" in text


def test_always_pull_asks_for_an_image_that_is_here(one):
    one.write("pytest.ini", "[pytest]\necs_pull = always\n")
    result = one.run()
    result.assert_outcomes(errors=1)
    assert "ImageError" in result.stdout.str()
    one.run("--ecs-pull=missing").assert_outcomes(passed=1)


@pytest.mark.any_engine
def test_declared_health_waits_for_the_declared_interval(suite, sh):
    suite.write_definition(
        "taskdef.json",
        sh("app", "sleep 60", healthCheck={"command": ["CMD-SHELL", "exit 0"], "interval": 5}),
    )
    suite.write(
        "test_health.py",
        """
        import time
        import pytest

        @pytest.mark.ecs_taskdef("taskdef.json", wait="running")
        def test_health(ecs_task):
            started = time.monotonic()
            ecs_task.wait_healthy(timeout=60)
            print("TOOK", time.monotonic() - started)
        """,
    )
    fast, declared = (
        float(re.search(r"TOOK (\S+)", suite.run_text("-s", f"--ecs-health={mode}"))[1])
        for mode in ("fast", "declared")
    )
    assert fast < 4 < declared


@pytest.mark.any_engine
def test_the_start_timeout_is_an_option(one, sh, monkeypatch):
    one.write_definition(
        "taskdef.json", sh("app", "sleep 60", healthCheck={"command": ["CMD-SHELL", "exit 1"]})
    )
    one.write("test_one.py", ONE.replace("running", "healthy"))
    one.write("pytest.ini", "[pytest]\necs_start_timeout = 300\n")
    monkeypatch.setenv("PYTEST_ECS_START_TIMEOUT", "1")
    result = one.run()
    result.assert_outcomes(errors=1)
    assert re.search(r"WaitTimeout: .* after 1 s\b", result.stdout.str())


NOISY = """
import pytest

@pytest.mark.ecs_taskdef("taskdef.json", wait="stopped")
def test_passes(ecs_task):
    pass

@pytest.mark.ecs_taskdef("taskdef.json", wait="stopped")
def test_fails(ecs_task):
    assert False
"""


@pytest.fixture
def noisy(suite, sh):
    suite.write("test_noisy.py", NOISY)
    suite.write_definition("taskdef.json", sh("app", "for i in $(seq 300); do echo line-$i; done"))
    return suite


@pytest.mark.any_engine
def test_logs_are_shown_of_failures_only(noisy):
    text = noisy.run_text()
    assert text.count("Captured log ecs") >= 1
    assert text.count("line-300\n") == 1
    assert "line-201\n" in text
    assert "line-200\n" not in text
    assert "(100 of 300 lines since this test began)" in text


@pytest.mark.any_engine
def test_the_number_of_lines_is_an_option(noisy, monkeypatch):
    text = noisy.run_text("--ecs-log-lines=5")
    assert "line-296\n" in text
    assert "line-295\n" not in text
    monkeypatch.setenv("PYTEST_ECS_LOG_LINES", "3")
    text = noisy.run_text()
    assert "line-298\n" in text
    assert "line-297\n" not in text


@pytest.mark.any_engine
def test_logs_of_all_or_none_on_request(noisy, monkeypatch):
    text = noisy.run_text("--ecs-logs=all", "-rA")
    assert text.count("line-300\n") == 2
    monkeypatch.setenv("PYTEST_ECS_LOGS", "none")
    assert "line-300" not in noisy.run_text()


@pytest.mark.any_engine
def test_the_directory_of_definitions_is_an_ini_option(suite, sh):
    suite.write("pytest.ini", "[pytest]\necs_taskdef_dir = infra\n")
    suite.write_definition("infra/taskdef.json", sh("app", "sleep 60"))
    suite.write("tests/test_one.py", ONE)
    suite.run().assert_outcomes(passed=1)
    # The one beside the test is nearer.
    suite.write_definition("tests/taskdef.json", sh("app", "sleep 60"), family="near")
    suite.write("tests/test_one.py", ONE + '    assert ecs_task.family == "near"\n')
    suite.run().assert_outcomes(passed=1)


def strict_project(suite, sh, value):
    suite.write("pytest.ini", f"[pytest]\necs_strict = {value}\n")
    logs = {"logDriver": "awslogs", "options": {"awslogs-group": "/no/such", "awslogs-region": "us-east-1"}}
    logs["options"]["awslogs-stream-prefix"] = "p"
    suite.write_definition("logs.json", sh("app", "true", logConfiguration=logs))
    suite.write(
        "test_strict.py",
        """
        import pytest

        @pytest.mark.ecs_taskdef("logs.json", wait="stopped")
        def test_logs(ecs_task):
            assert ecs_task.exit_code() == 0

        @pytest.mark.ecs_taskdef("logs.json", wait="stopped")
        @pytest.mark.ecs_log_group("/no/such")
        def test_logs_created(ecs_task):
            assert ecs_task.exit_code() == 0
        """,
    )
    return suite


@pytest.mark.any_engine
def test_a_missing_log_group_is_created_unless_strict(suite, sh):
    strict_project(suite, sh, "false").run().assert_outcomes(passed=2)
    result = strict_project(suite, sh, "true").run()
    result.assert_outcomes(passed=1, failed=1)
    text = result.stdout.str()
    assert "log group does not exist" in text
    assert "/no/such" in text, "it says which one"


@pytest.mark.any_engine
def test_a_field_that_is_not_emulated_warns_and_is_an_error_when_strict(suite, sh):
    for value in ("false", "true"):
        strict_project(suite, sh, value)
        suite.write_definition("field.json", sh("app", "true"), enableFaultInjection=True)
        suite.write(
            "test_strict.py",
            """
            import pytest

            @pytest.mark.ecs_taskdef("field.json", wait="stopped")
            def test_field(ecs_task):
                assert ecs_task.exit_code() == 0
            """,
        )
        result = suite.run()
        if value == "false":
            result.assert_outcomes(passed=1, warnings=1)
            assert "UnsupportedFieldWarning" in result.stdout.str()
        else:
            result.assert_outcomes(errors=1)
            assert "UnsupportedFeature" in result.stdout.str()
        assert "enableFaultInjection" in result.stdout.str()


def test_xdist_workers_share_the_engine(suite, sh):
    suite.write_definition("taskdef.json", sh("app", "echo hi"))
    suite.write(
        "test_many.py",
        """
        import pytest

        @pytest.mark.parametrize("number", range(6))
        @pytest.mark.ecs_taskdef("taskdef.json", wait="stopped")
        def test_many(ecs_task, ecs_aws, number):
            assert ecs_task.logs() == "hi\\n"
            ecs_aws.client("s3").create_bucket(Bucket="same-name")
        """,
    )
    suite.run("-n", "2").assert_outcomes(passed=6)
