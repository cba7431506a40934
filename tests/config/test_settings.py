"""Settings: who is stronger, what is refused, and how it is said."""

import pytest

from higgins.model.errors import Unfit
from higgins.server.settings import Listener
from higgins.settings import Flags, load


def faults(tmp_path, *, toml="", environment=None, **flags):
    (tmp_path / "higgins.toml").write_text(toml)
    with pytest.raises(Unfit) as caught:
        load(Flags(**flags), environment or {}, tmp_path)
    return str(caught.value).replace(f"{tmp_path}/", "").splitlines()


def test_without_anything_the_defaults_hold(tmp_path):
    settings = load(Flags(), {}, tmp_path)
    assert settings.store.url == "./higgins-data"
    assert settings.store.durability == "fsync"
    assert settings.server.listeners == (Listener("127.0.0.1:9092", "127.0.0.1", 9092, "127.0.0.1", 9092),)
    assert settings.broker.partitions_default == 1
    assert settings.warnings == ()


def test_flags_beat_variables_and_variables_beat_the_file(tmp_path):
    (tmp_path / "higgins.toml").write_text(
        """
        listen = ["127.0.0.1:1"]
        [store]
        url = "file"
        region = "file"
        durability = "os"
        [kafka]
        num.partitions = 1
        "group.max.size" = 1
        default.replication.factor = 1
        """
    )
    environment = {
        "HIGGINS_STORE": "variable",
        "HIGGINS_STORE_REGION": "variable",
        "HIGGINS_KAFKA_NUM_PARTITIONS": "2",
        "HIGGINS_KAFKA_GROUP_MAX_SIZE": "2",
        "HIGGINS_BOOTSTRAP": "not a setting",
        "PATH": "/bin",
    }
    settings = load(Flags(store="flag", assignments=("num.partitions=3",)), environment, tmp_path)
    assert (settings.store.url, settings.store.region, settings.store.durability) == ("flag", "variable", "os")
    assert settings.broker.partitions_default == 3
    assert settings.groups.group_members_max == 2
    assert settings.broker.replication_factor_default == 1
    assert settings.server.listeners[0].port == 1


def test_every_kafka_config_has_its_effect_or_is_named_in_a_warning(tmp_path):
    settings = load(
        Flags(
            assignments=(
                "auto.create.topics.enable=false",
                "group.min.session.timeout.ms=100",
                "log.message.timestamp.type=LogAppendTime",
                "min.insync.replicas=2",
                "offsets.topic.replication.factor=1",
            )
        ),
        {},
        tmp_path,
    )
    assert settings.broker.auto_create_topics is False
    assert settings.groups.min_session_timeout_ms == 100
    assert settings.broker.message_timestamp_type == "LogAppendTime"
    (warning,) = settings.warnings
    assert "min.insync.replicas, offsets.topic.replication.factor" in warning


def test_what_was_given_by_kafkas_names_is_kept_in_one_spelling_and_judged_though_it_does_nothing(tmp_path):
    given = ("log.cleaner.enable=TRUE", "log.retention.hours= 3", "num.partitions=2", "zookeeper.connect=z:1")
    assert load(Flags(assignments=given), {}, tmp_path).kafka == {
        "log.cleaner.enable": "true",
        "log.retention.hours": "3",
        "num.partitions": "2",
        "zookeeper.connect": "z:1",
    }
    found = faults(tmp_path, assignments=("log.retention.ms=soon", "log.cleanup.policy=burn"))
    assert any("log.retention.ms=soon: 'soon' is not a whole number" in line for line in found), found
    refusal = "log.cleanup.policy=burn: 'burn' contains burn; allowed are compact, delete"
    assert any(refusal in line for line in found), found


def test_all_faults_of_a_file_are_told_at_once_with_their_lines(tmp_path):
    toml = """\
[store]
urll = "x"
durability = "sometimes"

[kafka]
num.partitons = 4
message.max.bytes = "big"
listeners = "PLAINTEXT://:9092"

[ledger]
node_id = 1.5
[elsewhere]
"""
    assert faults(tmp_path, toml=toml) == [
        "higgins.toml, line 2: Unknown key 'store.urll'. Did you mean 'store.url'?",
        "higgins.toml, line 6: Unknown Kafka config 'num.partitons'. Did you mean 'num.partitions'?",
        "higgins.toml, line 8: 'listeners' is not supported: "
        'use --listen HOST:PORT, or listen = ["HOST:PORT"] in higgins.toml.',
        "higgins.toml, line 12: Unknown key 'elsewhere'.",
        "higgins.toml, line 3: 'sometimes' is not one of fsync, os; the default is fsync.",
        "higgins.toml, line 11: 1.5 is not a whole number.",
        "higgins.toml, line 7 (message.max.bytes): 'big' is not a whole number; the default is 1048588.",
    ]


def test_what_is_not_toml_is_said_with_its_line(tmp_path):
    (line,) = faults(tmp_path, toml="a = 1\nb = \n")
    assert line.startswith("higgins.toml: The file is not valid TOML:")
    assert "line 2" in line


def test_a_file_that_was_named_must_be_there(tmp_path):
    assert faults(tmp_path, config="other.toml") == ["other.toml: The file cannot be read: No such file or directory."]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"HIGGINS_STOR_URL": "x"}, "Did you mean 'HIGGINS_STORE_URL'?"),
        ({"HIGGINS_KAFKA_NUM_PARTITIONS": "0"}, "0 is below the minimum, 1; the default is 1."),
        ({"HIGGINS_KAFKA_AUTO_CREATE_TOPICS_ENABLE": "maybe"}, "'maybe' is not true or false; the default is true."),
        ({"HIGGINS_LISTEN": "localhost"}, "'localhost' is not HOST:PORT"),
        ({"HIGGINS_LEDGER_SESSION_TIMEOUT_MS": "-1"}, "-1 is below the minimum, 0"),
    ],
)
def test_faults_of_variables_name_the_variable(tmp_path, environment, said):
    (line,) = faults(tmp_path, environment=environment)
    assert line.startswith(next(iter(environment)))
    assert said in line


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"assignments": ("num.partitions",)}, "Write --set NAME=VALUE"),
        ({"assignments": ("num.partitionz=1",)}, "Did you mean 'num.partitions'?"),
        ({"assignments": ("log.message.timestamp.type=Late",)}, "is not one of CreateTime, LogAppendTime"),
        ({"assignments": ("group.min.session.timeout.ms=9999999",)}, "no member could join"),
        ({"assignments": ("message.max.bytes=999999999",)}, "no request could carry such a batch"),
        ({"listen": ("127.0.0.1:1", "127.0.0.1:1")}, "Two listeners have the same name"),
        ({"listen": ("::1:9092",)}, "put an IPv6 address in brackets"),
        ({"listen": ("127.0.0.1:70000",)}, "is not HOST:PORT"),
        ({"advertise": ("a:1", "b:2")}, "More addresses are advertised (2) than there are listeners (1)."),
        ({"advertise": ("outside=a:1",)}, "There is no listener 'outside'"),
    ],
)
def test_faults_of_flags_say_what_why_and_the_fix(tmp_path, flags, said):
    assert any(said in line for line in faults(tmp_path, **flags))


def test_listeners_are_advertised_by_name_or_in_order(tmp_path):
    settings = load(
        Flags(
            listen=("inside=127.0.0.1:9092", "outside=127.0.0.1:9093", "[::1]:9094"),
            advertise=("outside=broker.example:443", "in.example:1"),
        ),
        {},
        tmp_path,
    )
    assert [(one.name, one.host, one.advertised_host, one.advertised_port) for one in settings.server.listeners] == [
        ("inside", "127.0.0.1", "in.example", 1),
        ("outside", "127.0.0.1", "broker.example", 443),
        ("[::1]:9094", "::1", "::1", 9094),
    ]


def test_an_open_listener_is_warned_about_and_a_wildcard_is_never_advertised(tmp_path):
    settings = load(Flags(listen=("0.0.0.0:9092",)), {}, tmp_path)
    assert settings.server.listeners[0].advertised_host not in {"0.0.0.0", ""}
    assert any("open to the network" in one for one in settings.warnings)
    assert any("pass --advertise" in one for one in settings.warnings)
    quiet = load(Flags(listen=("127.0.0.1:9092", "localhost:9093", "[::1]:9094")), {}, tmp_path)
    assert quiet.warnings == ()


TOML = '# comment\u2028\x85here\n[store]\nurl = "./there"\n[kafka]\nnum.partitions = 4\n[server]\nno_such = 1\n'


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [True, False])
def test_a_file_is_read_however_an_editor_saved_it(tmp_path, end, mark, last):
    (tmp_path / "higgins.toml").write_bytes(mark + TOML.replace("\n", end).removesuffix("" if last else end).encode())
    with pytest.raises(Unfit, match=r"higgins.toml, line 7: Unknown key 'server.no_such'"):
        load(Flags(), {}, tmp_path)
    good = TOML[: TOML.index("[server]")].replace("\n", end).removesuffix("" if last else end)
    (tmp_path / "higgins.toml").write_bytes(mark + good.encode())
    settings = load(Flags(), {}, tmp_path)
    assert (settings.store.url, settings.broker.partitions_default) == ("./there", 4)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("[store]".encode("utf-16"), "The file is UTF-16 text. Save it as UTF-8."),
        (b"\xfe\xff\0[", "The file is UTF-16 text. Save it as UTF-8."),
        (b"# ok\n# \xe9", "The file is not UTF-8 text, in line 2. Save it as UTF-8."),
        (b"#" * (1 << 20) + b"#", "The file is larger than 1048576 bytes, the limit."),
        (b"x = " + b"[" * 5_000 + b"]" * 5_000, "The file is not valid TOML: "),
        (b"x = " + b"9" * 5_000, "The file is not valid TOML: "),
        (b"[store", "The file is not valid TOML: "),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_the_reason(tmp_path, data, told):
    (tmp_path / "higgins.toml").write_bytes(data)
    with pytest.raises(Unfit) as caught:
        load(Flags(), {}, tmp_path)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{tmp_path}/higgins.toml: {told}")


def test_no_message_shows_a_secret(tmp_path):
    """A secret of a wrong type, in an unknown setting, or in one that is refused, from every source."""
    secret = "hunter2secret"
    toml = f'''
    [store]
    secret_access_key = ["{secret}"]
    access_key_id = {{ a = "{secret}" }}
    [kafka]
    "ssl.keystore.password" = ["{secret}"]
    "sasl.jaas.config" = ["{secret}"]
    "no.such.password" = "{secret}"
    '''
    environment = {"HIGGINS_STORE_SECRET": secret, "HIGGINS_SSL_KEY_PASSWORD": secret}
    assignments = (f"ssl.keystore.password={secret}", f"no.such.secret={secret}", f"sasl.jaas.config={secret}")
    lines = faults(tmp_path, toml=toml, environment=environment, assignments=assignments)
    assert len(lines) >= 4 and not [line for line in lines if secret in line]
    assert any("higgins.toml, line 3: The value is not a string" in line for line in lines)
