"""Configuration: what wins, what is refused and in which words, and what is never shown."""

from __future__ import annotations

import pickle
import tomllib
from typing import TYPE_CHECKING

import msgspec
import pytest

from openim_ray.config import (
    Config,
    ConfigError,
    Secret,
    default_toml,
    describe,
    from_payload,
    load_config,
    reloadable_changes,
    static_changes,
    to_payload,
)
from openim_ray.config.setting_index import ALIASES, Setting, catalogue
from openim_ray.config.values import hide_password
from openim_ray.core.inboxes.inbox import HANDSHAKE_SECONDS_MAX
from openim_ray.core.repair import REPEAT_BYTES_AT_ONCE, REPEATS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SECRET = "correct horse battery"
DEFAULTS = load_config(None, {}, {})


def load(toml: str, folder: Path, environ: Mapping[str, str] | None = None, **overrides: object) -> Config:
    """Load a file with this text; a flag's name has _ twice for its dot."""
    path = folder / "openim.toml"
    path.write_text(toml, encoding="utf-8")
    return load_config(path, environ or {}, {name.replace("__", "."): value for name, value in overrides.items()})


def refusal(
    environ: Mapping[str, str] | None = None, overrides: Mapping[str, object] | None = None, path: Path | None = None
) -> str:
    """Return the message with which a configuration is refused."""
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ or {}, overrides or {})
    return str(caught.value)


def rows(config: Config) -> dict[str, tuple[str, str]]:
    """Return (value, source) by the setting's name."""
    return {row.name: (row.value, row.source) for row in describe(config)}


class TestSources:
    """Defaults, file, environment, flags: the later wins."""

    def test_flags_beat_the_environment_beats_the_file_beats_defaults(self, tmp_path: Path) -> None:
        """Each source overrides the one before, setting by setting."""
        config = load(
            "[server]\nws_port = 1\napi_port = 2\ndrain_seconds = 3\n",
            tmp_path,
            {"OPENIM_WS_PORT": "11", "OPENIM_API_PORT": "12"},
            server__ws_port=111,
        )
        assert (config.server.ws_port, config.server.api_port, config.server.drain_seconds) == (111, 12, 3.0)
        assert config.server.hosts == ("127.0.0.1",)

    def test_the_listing_says_where_each_value_comes_from(self, tmp_path: Path) -> None:
        """Whoever wonders about a value learns which file, variable or flag set it."""
        config = load("[log]\nformat = 'json'\n", tmp_path, {"OPENIM_WS_PORT": "0"}, log__level="debug")
        listing = rows(config)
        assert listing["log.format"] == ("json", str(tmp_path / "openim.toml"))
        assert listing["server.ws_port"] == ("0", "OPENIM_WS_PORT")
        assert listing["log.level"] == ("debug", "command line")
        assert listing["server.api_port"] == ("10002", "default")

    def test_the_environment_can_name_the_file(self, tmp_path: Path) -> None:
        """OPENIM_CONFIG stands for --config; the flag wins over it."""
        one, two = tmp_path / "one.toml", tmp_path / "two.toml"
        one.write_text("[auth]\ntoken_days = 1\n")
        two.write_text("[auth]\ntoken_days = 2\n")
        assert load_config(None, {"OPENIM_CONFIG": str(one)}, {}).auth.token_days == 1
        assert load_config(two, {"OPENIM_CONFIG": str(one)}, {}).auth.token_days == 2

    @pytest.mark.parametrize("setting", catalogue().values(), ids=lambda setting: setting.name)
    def test_every_setting_has_a_variable(self, setting: Setting) -> None:
        """OPENIM_<SECTION>_<KEY> sets it, and a value that is allowed is taken as it is."""
        value = ",".join(setting.default) if isinstance(setting.default, tuple) else str(setting.default)
        if isinstance(setting.default, Secret):
            value = SECRET
        config = load_config(None, {setting.variable: value}, {})
        assert config.sources == ({setting.name: setting.variable} if value else {})

    @pytest.mark.parametrize(("variable", "name"), ALIASES.items())
    def test_short_variables_lead_to_a_setting(self, variable: str, name: str) -> None:
        """Each short name stands for a setting that exists, and for no other."""
        assert name in catalogue()
        assert variable not in {setting.variable for setting in catalogue().values()}

    def test_lists_come_from_text_with_commas(self) -> None:
        """A variable or flag gives a list as text."""
        config = load_config(None, {"OPENIM_SERVER_HOSTS": "127.0.0.1, ::1"}, {"auth.admin_user_ids": "a,b"})
        assert config.server.hosts == ("127.0.0.1", "::1")
        assert config.auth.admin_user_ids == ("a", "b")

    def test_an_empty_variable_and_an_absent_flag_set_nothing(self) -> None:
        """Container set-ups hand empty variables on, and argparse None."""
        config = load_config(None, {"OPENIM_WS_PORT": "", "OPENIM_CONFIG": ""}, {"server.ws_port": None})
        assert config == DEFAULTS

    def test_paths_become_absolute(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Actors may run in another directory than the one the path was meant for; the default counts, too."""
        monkeypatch.chdir(tmp_path)
        assert load_config(None, {}, {}).server.data_dir == str(tmp_path / "data")
        assert load_config(None, {"OPENIM_DATA_DIR": "other"}, {}).server.data_dir == str(tmp_path / "other")

    def test_variables_of_others_are_left_alone(self) -> None:
        """Tests have names of their own, and the rest of the environment is nobody's business."""
        environ = {"OPENIM_TEST_SEED": "7", "PATH": "/bin", "OPENIMX": "1"}
        assert load_config(None, environ, {}) == DEFAULTS


class TestRefusals:
    """Each refusal is one line that names the setting, the value, its source and what is allowed."""

    @pytest.mark.parametrize(
        ("variable", "value", "message"),
        [
            (
                "OPENIM_WS_PORT",
                "99999",
                "server.ws_port = 99999 (OPENIM_WS_PORT): must be a whole number from 0 to 65535",
            ),
            (
                "OPENIM_GATEWAY_ACTORS",
                "two",
                "gateway.actors = two (OPENIM_GATEWAY_ACTORS): must be a whole number from 1 to 64",
            ),
            (
                "OPENIM_SERVER_DRAIN_SECONDS",
                "nan",
                "server.drain_seconds = nan (OPENIM_SERVER_DRAIN_SECONDS): must be a number from 0.5 to 60",
            ),
            (
                "OPENIM_AUTH_MULTI_LOGIN_POLICY",
                "2",
                "auth.multi_login_policy = 2 (OPENIM_AUTH_MULTI_LOGIN_POLICY): must be one of 0, 1, 4, 5",
            ),
            (
                "OPENIM_INBOXES_PLACEMENT",
                "user",
                "inboxes.placement = user (OPENIM_INBOXES_PLACEMENT): must be one of shared, per-user",
            ),
            (
                "OPENIM_SERVER_HOSTS",
                "127.0.0.1,here",
                (
                    "server.hosts = 127.0.0.1,here (OPENIM_SERVER_HOSTS): must be one or more IP addresses or localhost, "
                    "such as 127.0.0.1, ::1"
                ),
            ),
            (
                "OPENIM_SERVER_TRUSTED_PROXIES",
                "10.0.0.0/99",
                (
                    "server.trusted_proxies = 10.0.0.0/99 (OPENIM_SERVER_TRUSTED_PROXIES): must be IP addresses or "
                    "networks, such as 10.0.0.0/8, ::1"
                ),
            ),
            (
                "OPENIM_SERVER_PUBLIC_WS_URL",
                "https://x/",
                (
                    "server.public_ws_url = https://x/ (OPENIM_SERVER_PUBLIC_WS_URL): must be empty, or a URL such as "
                    "wss://chat.example.org/im/ws"
                ),
            ),
        ],
    )
    def test_a_bad_value(self, variable: str, value: str, message: str) -> None:
        """The operator reads what to change and to what."""
        assert refusal({variable: value}) == message

    @pytest.mark.parametrize(
        "toml",
        [
            "[server]\nws_port = '10001'\n",
            "[server]\nws_port = true\n",
            "[server]\nws_port = 10001.5\n",
            "[server]\nhosts = [1]\n",
            "[server]\nhosts = []\n",
            "[auth]\nadmin_user_ids = ['a b']\n",
            "[auth]\nadmin_secret = 12345678\n",
            "[log]\nlevel = 5\n",
        ],
    )
    def test_a_value_of_the_wrong_type_in_the_file(self, toml: str, tmp_path: Path) -> None:
        """TOML has types, and text is no number there."""
        with pytest.raises(ConfigError, match=r"openim\.toml\): must be "):
            load(toml, tmp_path)

    def test_a_text_in_the_file_is_shown_as_one(self, tmp_path: Path) -> None:
        """Without its quotes it would look like the number it ought to be."""
        with pytest.raises(ConfigError, match=r'server\.ws_port = "1" \(.*must be a whole number'):
            load('[server]\nws_port = "1"\n', tmp_path)

    @pytest.mark.parametrize(
        ("variable", "guess"),
        [
            ("OPENIM_PORT", "OPENIM_WS_PORT"),
            ("OPENIM_SERVER_WSPORT", "OPENIM_SERVER_WS_PORT"),
            ("OPENIM_DATADIR", "OPENIM_DATA_DIR"),
        ],
    )
    def test_an_unknown_variable_is_refused_with_a_guess(self, variable: str, guess: str) -> None:
        """A misspelt variable would otherwise be ignored without a word."""
        assert refusal({variable: "1"}) == f"unknown variable {variable}; did you mean {guess}?"

    def test_an_unknown_variable_like_no_other(self) -> None:
        """Without a good guess the message says where the names stand."""
        assert refusal({"OPENIM_XYZZY": "1"}).endswith("`openim-ray config default` lists all")

    @pytest.mark.parametrize(
        ("toml", "message"),
        [
            ("[servr]\n", "unknown section [servr]; did you mean server?"),
            ("[server]\nwsport = 1\n", "unknown setting server.wsport; did you mean server.ws_port?"),
            ("server = 1\n", "server must be a section: [server]"),
            ("[sources]\n", "unknown section [sources]"),
            ("[server\n", "is not a TOML file"),
        ],
    )
    def test_an_unknown_name_in_the_file(self, toml: str, message: str, tmp_path: Path) -> None:
        """The file's path and a guess stand in the line."""
        with pytest.raises(ConfigError) as caught:
            load(toml, tmp_path)
        assert message in str(caught.value)
        assert str(tmp_path / "openim.toml") in str(caught.value)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        """A file that was asked for and isn't there is an error, not a default."""
        path = tmp_path / "absent.toml"
        assert refusal(path=path) == f"cannot read the configuration file {path}: No such file or directory"

    def test_an_unknown_flag(self) -> None:
        """A program that sets a setting by a wrong name hears of it."""
        assert refusal(overrides={"server.port": 1}) == "unknown setting server.port; did you mean server.ws_port?"

    def test_two_variables_that_disagree(self) -> None:
        """The short and the long name may both be set, but not to different values."""
        environ = {"OPENIM_WS_PORT": "1", "OPENIM_SERVER_WS_PORT": "1"}
        assert load_config(None, environ, {}).server.ws_port == 1
        message = refusal(environ | {"OPENIM_WS_PORT": "2"})
        assert (
            message == "OPENIM_SERVER_WS_PORT and OPENIM_WS_PORT both set server.ws_port, to different values: keep one"
        )

    @pytest.mark.parametrize(
        ("environ", "message"),
        [
            ({"OPENIM_WS_PORT": "10002"}, "server.ws_port and server.api_port are both 10002: must differ"),
            (
                {"OPENIM_SERVER_TLS_KEY": "key.pem"},
                "server.tls_certificate and server.tls_key: must be set both or neither",
            ),
            (
                {"OPENIM_GATEWAY_READ_DEADLINE_SECONDS": "20"},
                "gateway.web_ping_seconds = 27.0: must be less than gateway.read_deadline_seconds (20.0)",
            ),
        ],
    )
    def test_values_that_do_not_go_together(self, environ: dict[str, str], message: str) -> None:
        """Relations between settings are checked, too, and named."""
        assert refusal(environ) == message

    def test_two_free_ports_may_be_asked_for(self) -> None:
        """Port 0 on both listeners means two different free ports."""
        config = load_config(None, {"OPENIM_WS_PORT": "0", "OPENIM_API_PORT": "0"}, {})
        assert config.server.ws_port == config.server.api_port == 0

    @pytest.mark.parametrize("url", ["mongodb://h/db", "postgresql://h/db", "redis:///0", "redis", "sqlite:///x"])
    def test_copies_are_in_redis_or_nowhere(self, url: str) -> None:
        """A URL that can't be served is refused at the start instead of being ignored."""
        assert "or a URL such as redis://user:password@host:6379/0" in refusal({"OPENIM_STORAGE_TOKENS_URL": url})

    @pytest.mark.parametrize("url", ["", "sqlite", "redis://h", "rediss://user:pw@h:6380/1"])
    def test_a_redis_for_copies(self, url: str) -> None:
        """With or without TLS, or none."""
        assert load_config(None, {"OPENIM_STORAGE_TOKENS_URL": url}, {}).storage.tokens_url == url

    @pytest.mark.parametrize(
        "url",
        [
            "sqlite",
            "mongodb://h/db",
            "mongodb://h",
            "mongodb://user:pa%40ss@h1:27017,h2:27018/openim?replicaSet=rs0&authSource=admin",
            "mongodb+srv://user:pass@cluster.example.org/openim?retryWrites=true",
        ],
    )
    def test_where_messages_may_be(self, url: str) -> None:
        """Messages are kept in SQLite or in a MongoDB, whose URL may name several hosts and options."""
        assert load_config(None, {"OPENIM_STORAGE_MESSAGES_URL": url}, {}).storage.messages_url == url

    @pytest.mark.parametrize(
        "url", ["postgresql://h/db", "mongodb://", "mongodb://user:secret@", "mongodb:h", "mongodb://u:pa ss@h", "x"]
    )
    def test_where_messages_may_not_be(self, url: str) -> None:
        """Anything else is refused with an example, and without its password."""
        message = refusal({"OPENIM_STORAGE_MESSAGES_URL": url})
        assert "mongodb://user:password@host:27017/openim" in message
        assert not any(secret in message for secret in ("secret", "pa ss"))

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "sqlite",
            "postgresql://h/db",
            "postgres://user:pw@h:5433/db?sslmode=require",
            "postgresql://h1:5432,h2:5432/db",
            "postgresql:///db?host=/run/postgresql",
            "postgresql://[::1]:5432/db",
        ],
    )
    def test_places_of_the_directory(self, url: str) -> None:
        """Users and what belongs to them may be in PostgreSQL, whose URLs may carry options."""
        assert load_config(None, {"OPENIM_STORAGE_DIRECTORY_URL": url}, {}).storage.directory_url == url

    @pytest.mark.parametrize(
        "url",
        [
            "mongodb://h/db",
            "mysql://h/db",
            "postgresql://h",
            "postgresql:///db",
            "postgresql://h/db#x",
            "sqlite:///x",
            "h/db",
        ],
    )
    def test_places_that_the_directory_can_not_be_at(self, url: str) -> None:
        """Anything else is refused at the start, with an example."""
        assert refusal({"OPENIM_STORAGE_DIRECTORY_URL": url}).endswith("such as postgresql://user@host/database")


class TestSecrecy:
    """No listing, error or traceback shows a secret."""

    def test_a_secret_is_shown_nowhere(self) -> None:
        """Neither the struct's text nor the listing nor a format string gives it away."""
        config = load_config(None, {"OPENIM_ADMIN_SECRET": SECRET}, {})
        texts = [repr(config), str(config.auth), f"{config.auth.admin_secret}", str(describe(config))]
        assert not any(SECRET in text for text in texts)
        assert config.auth.admin_secret.reveal() == SECRET

    def test_a_refused_secret_is_not_repeated(self) -> None:
        """A secret that is too short may be part of a good one."""
        message = refusal({"OPENIM_ADMIN_SECRET": "hushhus"})
        assert message == "auth.admin_secret = (hidden) (OPENIM_ADMIN_SECRET): must be empty, or at least 8 characters"

    def test_a_password_in_a_query_is_hidden(self) -> None:
        """PostgreSQL takes a password there, too; a listing hides it."""
        url = "postgresql://user@host/db?password=pw&sslmode=require"
        config = load_config(None, {"OPENIM_STORAGE_DIRECTORY_URL": url}, {})
        assert "postgresql://user@host/db?password=***&sslmode=require" in str(describe(config))
        assert "pw" not in str(describe(config))

    @pytest.mark.parametrize("password", ["pw", "p@w", "p/w:x"])
    def test_passwords_in_urls_are_hidden(self, password: str) -> None:
        """The URL of a database server holds its password, also where an error repeats the URL."""
        message = refusal({"OPENIM_STORAGE_DIRECTORY_URL": f"redis://user:{password}@host:1/0"})
        assert "redis://user:***@host:1/0" in message
        assert password not in message.replace("***", "")

    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("mongodb://u:pw@h1:1,h2:2/db?replicaSet=rs0&w=1", "mongodb://u:***@h1:1,h2:2/db?replicaSet=rs0&w=1"),
            ("mongodb://u:p%40w%2F@h/db?authSource=admin", "mongodb://u:***@h/db?authSource=admin"),
            ("mongodb://u:p@w/:?&=x@h/db?authSource=admin", "mongodb://u:***@h/db?authSource=admin"),
            ("mongodb://u:p w\n@h", "mongodb://u:***@h"),
            ("mongodb://u/v:pw@h", "mongodb://u/v:***@h"),
            ("mongodb+srv://u:\u00fc\U0001f642@h/?tls=true", "mongodb+srv://u:***@h/?tls=true"),
            (
                "mongodb://h/?tlsCertificateKeyFilePassword=pw&tls=true",
                "mongodb://h/?tlsCertificateKeyFilePassword=***&tls=true",
            ),
            ("mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:pw", "mongodb://h/?authMechanismProperties=***"),
            ("redis://:pw@h:1/0", "redis://:***@h:1/0"),
            ("mongodb://h1:1,h2:2/db?replicaSet=rs0", "mongodb://h1:1,h2:2/db?replicaSet=rs0"),
        ],
    )
    def test_passwords_of_odd_urls_are_hidden(self, url: str, shown: str) -> None:
        """Wherever a URL holds a password, escaped or not, in its user or its query, it is left out, and nothing else is."""
        assert hide_password(url) == shown

    def test_a_listing_hides_the_password_of_a_store(self) -> None:
        """`config show` shows where messages are, not with which password."""
        config = load_config(None, {"OPENIM_STORAGE_MESSAGES_URL": "mongodb://u:hush@h/db?authSource=admin"}, {})
        listing = str(describe(config))
        assert "mongodb://u:***@h/db?authSource=admin" in listing
        assert "hush" not in listing

    def test_secrets_compare_and_pickle(self) -> None:
        """A secret goes through Ray and compares by its text."""
        secret = Secret(SECRET)
        assert pickle.loads(pickle.dumps(secret)) == secret == Secret(SECRET)
        assert secret != Secret("other")
        assert secret != SECRET
        assert not Secret("")


class TestForms:
    """Default file, payload, changes."""

    def test_the_default_file_loads_back_to_the_defaults(self, tmp_path: Path) -> None:
        """As it is, and with every setting in it made active."""
        text = default_toml()
        active = "\n".join(line.removeprefix("#") if not line.startswith("# ") else line for line in text.splitlines())
        assert msgspec.structs.replace(load(text, tmp_path), file="") == DEFAULTS
        loaded = load(active, tmp_path)
        assert msgspec.structs.replace(loaded, sources={}, file="") == DEFAULTS
        assert sorted(loaded.sources) == sorted(catalogue())

    def test_the_default_file_explains_every_setting(self) -> None:
        """Meaning, what is allowed, the variable, and whether a restart is needed."""
        text = " ".join(default_toml().replace("\n# ", " ").split())
        for setting in catalogue().values():
            assert setting.doc in text
            assert setting.allowed in text
            assert setting.variable in text

    def test_the_default_file_is_not_wide(self) -> None:
        """It is read in terminals."""
        assert max(map(len, default_toml().splitlines())) <= 100
        assert tomllib.loads(default_toml()).keys() == {setting.section for setting in catalogue().values()}

    def test_a_payload_gives_the_same_configuration_elsewhere(self) -> None:
        """What is handed to an actor holds everything, the secret and the sources included."""
        config = load_config(None, {"OPENIM_ADMIN_SECRET": SECRET, "OPENIM_SERVER_HOSTS": "::1"}, {})
        assert from_payload(to_payload(config)) == config

    @pytest.mark.parametrize("payload", [b'{"server": {"ws_port": 70000}}', b'{"servers": {}}', b'{"log": {"x": 1}}'])
    def test_a_payload_of_another_version_is_refused(self, payload: bytes) -> None:
        """Settings that this version doesn't know, or values out of range, don't pass silently."""
        with pytest.raises(msgspec.ValidationError):
            from_payload(payload)

    def test_changes_are_told_apart(self) -> None:
        """A reload takes what it can and names what waits for a restart."""
        new = load_config(None, {"OPENIM_STORAGE_RETENTION_DAYS": "30", "OPENIM_WS_PORT": "1"}, {})
        assert reloadable_changes(DEFAULTS, new) == {"storage.retention_days": 30}
        assert static_changes(DEFAULTS, new) == ["server.ws_port"]
        assert reloadable_changes(new, new) == {}

    def test_every_setting_is_described(self) -> None:
        """A doc sentence with its full stop; numbers have both bounds."""
        for setting in catalogue().values():
            assert setting.doc.endswith(".")
            assert "None" not in setting.allowed

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("gateway.handshake_seconds", HANDSHAKE_SECONDS_MAX + 1),
            ("links.queue_max", REPEATS_AT_ONCE),
            ("links.queue_bytes_max", REPEAT_BYTES_AT_ONCE),
        ],
        ids=["handshake", "queue", "bytes"],
    )
    def test_bounds_keep_what_the_core_takes_for_granted(self, name: str, value: float, tmp_path: Path) -> None:
        """A login is known to be over after the longest handshake, and a link that just began anew has room for what is said again."""
        section, key = name.split(".")
        with pytest.raises(ConfigError, match="must be a"):
            load(f"[{section}]\n{key} = {value}\n", tmp_path)

    def test_sections_are_frozen(self) -> None:
        """A configuration is a value; nobody changes it under somebody else's feet."""
        with pytest.raises(AttributeError):
            DEFAULTS.server.ws_port = 1  # type: ignore[misc]
