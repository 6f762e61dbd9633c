"""Where settings come from, which place wins, and what wrong ones are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from madang.settings import Settings
from madang.settings_sources import SettingsError, load
from madang.settings_types import MqttBroker, is_loopback
from tools.settings_page import page

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "settings.md"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_anything_the_defaults_hold() -> None:
    assert load(environ={}) == Settings()


def test_file_beats_default_environment_beats_file_command_line_beats_all() -> None:
    Path("madang.toml").write_text("port = 1\nmqtt_port = 1\nhost = 'localhost'\n")
    found = load({"port": 3, "open": None}, environ={"MADANG_PORT": "2", "MADANG_MQTT_PORT": "2"})
    assert (found.port, found.mqtt_port, found.host, found.data) == (
        3,
        2,
        "localhost",
        Path("madang-data"),
    )


def test_a_table_in_the_file_is_a_prefix() -> None:
    Path("madang.toml").write_text("[notify]\ntimeout_s = 2.5\nhosts = ['a.org']\n")
    found = load(environ={})
    assert found.notify_timeout_s == 2.5
    assert found.notify_hosts == ["a.org"]


def test_a_list_in_a_variable_is_separated_by_commas() -> None:
    assert load(environ={"MADANG_CONTEXT_HOSTS": "a.org, b.org"}).context_hosts == [
        "a.org",
        "b.org",
    ]


@pytest.mark.parametrize("word", ["true", "1", "yes", "on"])
def test_a_switch_in_a_variable_takes_the_usual_words(word: str) -> None:
    assert load(environ={"MADANG_DEMO": word}).demo


def test_a_variable_may_name_the_file_that_has_a_password(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("7e5 \n")
    found = load(environ={"MADANG_STORE_PASSWORD_FILE": str(file)})
    assert found.store_password.get_secret_value() == "7e5 "


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"MADANG_BUS_PASSWORD_FILE": "nowhere"}, "MADANG_BUS_PASSWORD_FILE names cannot be read"),
        ({"MADANG_PORT_FILE": "port"}, "there is no setting MADANG_PORT_FILE"),
        (
            {"MADANG_EDGE_KEY_FILE": "key", "MADANG_EDGE_KEY": "a"},
            "MADANG_EDGE_KEY_FILE and MADANG_EDGE_KEY are both set",
        ),
    ],
)
def test_a_file_of_a_password_that_cannot_be_used_is_named(
    variables: dict[str, str], why: str
) -> None:
    Path("key").write_text("a")
    with pytest.raises(SettingsError, match=why):
        load(environ=variables)


def test_an_unknown_variable_names_the_nearest_one() -> None:
    with pytest.raises(SettingsError, match="MADANG_PROT; did you mean MADANG_PORT"):
        load(environ={"MADANG_PROT": "1"})


def test_an_unknown_key_in_the_file_names_the_file_and_the_nearest_one() -> None:
    Path("other.toml").write_text("[notify]\ntimeout = 1\n")
    with pytest.raises(SettingsError, match=r"notify_timeout in other\.toml.*notify_timeout_s"):
        load(config=Path("other.toml"), environ={})


def test_variables_of_clients_and_tests_are_no_settings() -> None:
    assert load(environ={"MADANG_URL": "http://x", "MADANG_TEST_DATA": "y", "PORT": "1"})


def test_a_bad_value_names_where_it_was_written() -> None:
    with pytest.raises(SettingsError, match=r"MADANG_PORT is '99999'.*65535"):
        load(environ={"MADANG_PORT": "99999"})


def test_a_named_file_that_is_missing_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml cannot be read"):
        load(config=Path("nowhere.toml"), environ={})


def test_a_file_that_is_not_toml_is_an_error() -> None:
    Path("madang.toml").write_text("port: 1")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load(environ={})


def test_open_is_refused_where_others_could_reach_it() -> None:
    with pytest.raises(SettingsError, match="no sign-in"):
        load({"open": True, "host": "0.0.0.0"}, environ={})
    assert load({"open": True, "host": "::1"}, environ={}).open


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("127.0.0.9", True), ("0.0.0.0", False), ("madang.example", False)],
)
def test_loopback_is_this_machine_only(host: str, here: bool) -> None:
    assert is_loopback(host) is here


def test_the_url_of_an_ipv6_host_has_brackets() -> None:
    assert Settings(host="::1", port=1).url == "http://[::1]:1"
    assert Settings(base_url="https://hub.example/").url == "https://hub.example"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"path": "s3://Key:Secret@city/history"}, "the key goes into history_key"),
        ({"path": "s3://city/history/*"}, "must be like s3://bucket/prefix"),
        ({"path": "/srv/history", "endpoint": "https://s3.example.org"}, "history_endpoint is for"),
        ({"path": "s3://city", "endpoint": "s3.example.org"}, "history-endpoint is"),
        ({"path": "s3://city", "key": "a"}, "belong together"),
    ],
)
def test_a_bucket_that_is_named_wrongly_is_told(given: dict[str, str], reason: str) -> None:
    told = {f"history_{name}": value for name, value in given.items()}
    with pytest.raises(SettingsError, match=reason) as raised:
        load({"store": "postgres://db/city", **told}, environ={})
    assert "Secret" not in str(raised.value)


def test_the_page_in_the_docs_is_what_the_table_gives() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_a_broker_may_be_several_servers() -> None:
    Path("madang.toml").write_text(
        "[mqtt_brokers.field]\nhost = 'mqtt-1, mqtt-2:1885,::1,[::1]:1885'\nport = 1884\n"
        "topics = ['v1/devices/+/up']\n"
    )
    addresses = load(environ={}).mqtt_brokers["field"].addresses
    assert addresses == [("mqtt-1", 1884), ("mqtt-2", 1885), ("::1", 1884), ("::1", 1885)]


@pytest.mark.parametrize("host", [":1883", "mqtt-1,mqtt-2:many", "mqtt-1:70000"])
def test_a_broker_without_a_name_or_with_a_wrong_port_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="host must be names or addresses"):
        MqttBroker.model_validate({"host": host, "topics": ["v1/devices/+/up"]})
