"""CloudFormation's names of properties: the table against the API's fields and against CloudFormation's own schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pytest_ecs_tasks.core.fields import TASK_DEFINITION as FIELDS
from pytest_ecs_tasks.core.fields import Field
from pytest_ecs_tasks.core.templates.names import TASK_DEFINITION, Property

# CloudFormation's resource does not have it.
ONLY_IN_THE_API = {"trustedExecutionConfiguration"}


def api_names(properties: Mapping[str, Property], prefix: str = "") -> Iterator[str]:
    for each in properties.values():
        yield prefix + each.name
        yield from api_names(each.inside or {}, f"{prefix}{each.name}.")


def field_names(fields: Mapping[str, Field], prefix: str = "") -> Iterator[str]:
    for name, field in fields.items():
        if prefix + name not in ONLY_IN_THE_API:
            yield prefix + name
            yield from field_names(field.members, f"{prefix}{name}.")


def test_every_field_of_the_api_has_a_property_and_no_property_is_without_a_field() -> None:
    assert sorted(api_names(TASK_DEFINITION)) == sorted(field_names(FIELDS))


def schema_names(schema: Mapping[str, Any], part: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, declared in part.get("properties", {}).items():
        yield prefix + name
        inner = declared.get("items", declared)
        reference = inner.get("$ref", "").rpartition("/")[2]
        yield from schema_names(schema, schema["definitions"].get(reference, {}), f"{prefix}{name}.")


def property_names(properties: Mapping[str, Property], prefix: str = "") -> Iterator[str]:
    for name, each in properties.items():
        yield prefix + name
        yield from property_names(each.inside or {}, f"{prefix}{name}.")


def test_the_properties_are_those_of_cloudformations_schema() -> None:
    manager = pytest.importorskip("cfnlint.schema.manager", reason="cfn-lint brings the schema")
    schema = manager.PROVIDER_SCHEMA_MANAGER.get_resource_schema(
        "us-east-1", "AWS::ECS::TaskDefinition"
    ).schema

    read_only = {"TaskDefinitionArn"}
    assert sorted(property_names(TASK_DEFINITION)) == sorted(set(schema_names(schema, schema)) - read_only)
