"""Attributes of the container instance."""

from __future__ import annotations

import pytest

from ecs_world import EcsWorld

OURS = {"targetType": "container-instance"}


@pytest.fixture
def ecs() -> EcsWorld:
    return EcsWorld()


@pytest.fixture
def instance(ecs: EcsWorld) -> str:
    return str(ecs.call("ListContainerInstances")["containerInstanceArns"][0])


def put(ecs: EcsWorld, instance: str, **attributes: str | None) -> list[dict[str, str]]:
    asked = [
        {"name": name, "targetId": instance} | ({} if value is None else {"value": value})
        for name, value in attributes.items()
    ]
    return list(ecs.call("PutAttributes", attributes=asked)["attributes"])


def test_attributes_are_put_listed_shown_and_deleted(ecs, instance):
    shown = put(ecs, instance, stack="blue", zone=None)

    whole = {"name": "stack", "value": "blue", "targetType": "container-instance", "targetId": instance}
    assert shown[0] == whole
    assert "value" not in shown[1]
    assert ecs.call("ListAttributes", **OURS)["attributes"] == shown
    assert ecs.call("ListAttributes", attributeName="stack", attributeValue="blue", **OURS)["attributes"] == [
        whole
    ]
    assert (
        ecs.call("ListAttributes", attributeName="stack", attributeValue="green", **OURS)["attributes"] == []
    )
    described = ecs.call("DescribeContainerInstances", containerInstances=[instance])["containerInstances"][0]
    assert described["attributes"] == [{"name": "stack", "value": "blue"}, {"name": "zone"}]

    other = {"name": "stack", "value": "green", "targetId": instance}
    assert ecs.call("DeleteAttributes", attributes=[other])["attributes"] == []
    short = {"name": "stack", "targetId": instance.rpartition("/")[2], "targetType": "container-instance"}
    assert ecs.call("DeleteAttributes", attributes=[short])["attributes"] == [whole]
    assert len(ecs.call("ListAttributes", **OURS)["attributes"]) == 1


def test_a_new_value_takes_the_place_of_the_old(ecs, instance):
    put(ecs, instance, stack="blue")
    put(ecs, instance, stack="green")

    (shown,) = ecs.call("ListAttributes", **OURS)["attributes"]
    assert shown["value"] == "green"


def test_attributes_are_paged(ecs, instance):
    put(ecs, instance, **{f"a{number}": None for number in range(5)})

    first = ecs.call("ListAttributes", maxResults=3, **OURS)
    rest = ecs.call("ListAttributes", maxResults=3, nextToken=first["nextToken"], **OURS)

    assert [each["name"] for each in first["attributes"] + rest["attributes"]] == [
        f"a{number}" for number in range(5)
    ]
    assert "nextToken" not in rest


@pytest.mark.parametrize(
    ("attribute", "refusal"),
    [
        ({"name": "a", "targetId": "none"}, "TargetNotFoundException"),
        ({"name": "a"}, "TargetNotFoundException"),
        ({"name": "a b"}, "InvalidParameterException: attributes[0].name must match"),
        ({"name": "a", "value": " b"}, "InvalidParameterException: attributes[0].value must match"),
    ],
)
def test_what_is_no_attribute_of_an_instance_is_refused(ecs, attribute, refusal):
    assert ecs.refused("PutAttributes", attributes=[attribute]).startswith(refusal)


def test_an_instance_has_ten_attributes_at_most(ecs, instance):
    put(ecs, instance, **{f"a{number}": None for number in range(10)})

    one_more = [{"name": "one-more", "targetId": instance}]
    assert ecs.refused("PutAttributes", attributes=one_more).startswith("AttributeLimitExceededException")
    eleven = [{"name": f"b{number}", "targetId": instance} for number in range(11)]
    assert "attributes has 11 entries" in ecs.refused("PutAttributes", attributes=eleven)
    assert "attributes has 0 entries" in ecs.refused("DeleteAttributes", attributes=[])


def test_a_value_without_a_name_is_not_looked_for(ecs):
    assert "attributeValue needs attributeName" in ecs.refused(
        "ListAttributes", attributeValue="blue", **OURS
    )
