"""Settings from the environment."""

import pytest

from shared.settings import Environment, SettingError


@pytest.mark.parametrize("values", [{}, {"QUEUE_URL": ""}, {"QUEUE_URL": "  "}])
def test_names_the_variable_when_it_is_missing_or_empty(values):
    with pytest.raises(SettingError, match="QUEUE_URL is missing or empty"):
        Environment(values).text("QUEUE_URL")


@pytest.mark.parametrize("value", ["-1", "1.5", "many", "0x10"])
def test_names_the_variable_when_it_is_not_a_whole_number(value):
    with pytest.raises(SettingError, match="WORKER_MAX_COUNT must be a whole number"):
        Environment({"WORKER_MAX_COUNT": value}).whole_number("WORKER_MAX_COUNT")


def test_reads_a_list_when_it_has_spaces_and_an_empty_item():
    assert Environment({"SUBNET_IDS": "subnet-1, subnet-2,"}).items("SUBNET_IDS") == (
        "subnet-1",
        "subnet-2",
    )


def test_refuses_an_empty_list():
    with pytest.raises(SettingError, match="SUBNET_IDS is an empty list"):
        Environment({"SUBNET_IDS": ","}).items("SUBNET_IDS")


def test_refuses_a_public_ip_setting_when_it_is_neither_enabled_nor_disabled():
    with pytest.raises(SettingError, match="ASSIGN_PUBLIC_IP must be ENABLED or DISABLED"):
        Environment({"ASSIGN_PUBLIC_IP": "true"}).public_ip("ASSIGN_PUBLIC_IP")
