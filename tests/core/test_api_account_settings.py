"""Account settings."""

from __future__ import annotations

import pytest

from ecs_model import ecs_model
from ecs_world import ACCOUNT, EcsWorld
from pytest_ecs_tasks.core.api.account_settings import SETTINGS

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
USER = f"arn:aws:iam::{ACCOUNT}:user/me"


@pytest.fixture
def ecs() -> EcsWorld:
    return EcsWorld()


def values(ecs: EcsWorld, **members: object) -> dict[str, str]:
    settings = ecs.call("ListAccountSettings", **members)["settings"]
    return {each["name"]: each["value"] for each in settings}


def test_every_setting_that_there_is_has_a_value(ecs):
    names = ecs_model().shape_for("SettingName").enum

    assert sorted(SETTINGS) == sorted(names)
    assert sorted(values(ecs, effectiveSettings=True)) == sorted(names)
    assert values(ecs) == {}


def test_a_setting_is_put_for_a_principal_and_by_default(ecs):
    ecs.call("PutAccountSettingDefault", name="containerInsights", value="enabled")
    put = ecs.call("PutAccountSetting", name="awsvpcTrunking", value="enabled", principalArn=USER)["setting"]

    assert put == {"name": "awsvpcTrunking", "value": "enabled", "principalArn": USER, "type": "user"}
    assert values(ecs, principalArn=USER) == {"awsvpcTrunking": "enabled"}
    assert values(ecs, name="awsvpcTrunking", effectiveSettings=True) == {"awsvpcTrunking": "disabled"}
    assert values(ecs, principalArn=USER, effectiveSettings=True)["containerInsights"] == "enabled"
    assert values(ecs, value="enhanced", effectiveSettings=True) == {}


def test_a_setting_that_is_deleted_is_the_accounts_again(ecs):
    ecs.call("PutAccountSetting", name="awsvpcTrunking", value="enabled")

    deleted = ecs.call("DeleteAccountSetting", name="awsvpcTrunking")["setting"]

    assert (deleted["value"], deleted["principalArn"]) == ("enabled", ROOT)
    assert values(ecs) == {}


def test_container_insights_is_for_the_clusters_to_come(ecs):
    before = ecs.call("CreateCluster", clusterName="before")["cluster"]

    ecs.call("PutAccountSettingDefault", name="containerInsights", value="enhanced")

    after = ecs.call("CreateCluster", clusterName="after")["cluster"]
    assert before["settings"] == [{"name": "containerInsights", "value": "disabled"}]
    assert after["settings"] == [{"name": "containerInsights", "value": "enhanced"}]


def test_what_no_setting_can_be_is_refused(ecs):
    refusal = ecs.refused("PutAccountSetting", name="fargateTaskRetirementWaitPeriod", value="3")
    managed = ecs.refused("PutAccountSettingDefault", name="guardDutyActivate", value="on")

    assert refusal.endswith("fargateTaskRetirementWaitPeriod is 3; it is one of 7, 0, 14")
    assert managed.endswith("guardDutyActivate is managed by AWS and cannot be set")
