"""Names of images in ECR."""

from __future__ import annotations

import pytest

from pytest_ecs_tasks.core.ecr import EcrImage, EcrName, ecr_host, parse_ecr_name, split_name

HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
DIGEST = f"sha256:{'ab' * 32}"


@pytest.mark.parametrize(
    ("reference", "rest", "repository"),
    [
        (f"{HOST}/web", "web", "web"),
        (f"{HOST}/team/web:1.2", "team/web:1.2", "team/web"),
        (f"{HOST}/team/web@{DIGEST}", f"team/web@{DIGEST}", "team/web"),
        (f"{HOST}/web:1@{DIGEST}", f"web:1@{DIGEST}", "web"),
    ],
)
def test_a_name_in_a_private_registry_is_taken_apart(reference: str, rest: str, repository: str) -> None:
    name = parse_ecr_name(reference)

    assert name == EcrName(HOST, "123456789012", "eu-west-1", rest)
    assert name.repository == repository


@pytest.mark.parametrize(
    "host",
    [
        "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com",
        "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
    ],
)
def test_fips_and_china_are_ecr_too(host: str) -> None:
    assert parse_ecr_name(f"{host}/web:1") is not None


@pytest.mark.parametrize(
    "reference",
    [
        "web",
        "public.ecr.aws/nginx/nginx:1",
        f"{HOST}/",
        f"mirror.example.com/{HOST}/web",
        "12.dkr.ecr.eu-west-1.amazonaws.com/web",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com.example.com/web",
    ],
)
def test_other_names_are_not_ecrs(reference: str) -> None:
    assert parse_ecr_name(reference) is None


def test_a_name_without_a_tag_means_latest() -> None:
    assert split_name("team/web") == ("team/web", "latest")
    assert split_name("team/web:1") == ("team/web", "1")
    assert split_name(f"web:1@{DIGEST}") == ("web", DIGEST)


def test_a_pushed_image_has_a_name_that_stays() -> None:
    image = EcrImage(f"{HOST}/team/web:1", DIGEST)

    assert image.uri_with_digest == f"{HOST}/team/web@{DIGEST}"


def test_chinas_regions_have_a_host_of_their_own() -> None:
    assert ecr_host("123456789012", "eu-west-1") == HOST
    assert ecr_host("123456789012", "cn-north-1") == "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"
