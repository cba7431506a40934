"""The table of APIs is collected from the modules of messages: a new API is one new file."""

import pkgutil
import subprocess
import sys
from importlib import import_module

import msgspec
import pytest

from higgins_protocol import apis, messages
from higgins_protocol.messages import fetch, list_offsets, private, produce

MODULES = [module.name for module in pkgutil.iter_modules(messages.__path__)]

GREET = """
from higgins_protocol.api import Api
from higgins_protocol.primitives import String
from higgins_protocol.schema import Message

class GreetRequest(Message, frozen=True):
    name: String = ""

class GreetResponse(Message, frozen=True):
    greeting: String = ""

API = Api(key={key}, request=GreetRequest, response=GreetResponse, versions=(0, 1), flexible_from=1)
"""

SCRIPT = """
import sys
from higgins_protocol import messages
messages.__path__.append(sys.argv[1])
from higgins_protocol import apis, registry
from higgins_protocol.messages.greet import GreetRequest, GreetResponse

assert apis.GREET == 900 and apis.APIS[900].name == "Greet"
assert list(apis.APIS) == sorted(apis.APIS)
assert (900, 0, 1) in apis.api_versions_entries()
for version in (0, 1):
    frame = memoryview(b"".join(registry.encode_request(900, version, 5, "c", GreetRequest(name="n"))))[4:]
    assert registry.decode_request(registry.decode_header(frame), frame) == GreetRequest(name="n")
    frame = memoryview(b"".join(registry.encode_response(900, version, 5, GreetResponse(greeting="g"))))[4:]
    assert registry.decode_response(900, version, frame) == (5, GreetResponse(greeting="g"))
"""


@pytest.mark.parametrize("name", MODULES)
def test_every_module_declares_the_api_that_it_is_named_after(name):
    api = import_module(f"{messages.__name__}.{name}").API
    assert apis.APIS[api.key] is api
    assert api.name == "".join(word.capitalize() for word in name.split("_"))
    assert api.response.__name__ == f"{api.name}Response"
    assert api.versions[0] <= api.versions[1]


def test_a_new_module_of_messages_is_a_new_api(tmp_path):
    (tmp_path / "greet.py").write_text(GREET.format(key=900))
    subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], check=True)


def test_two_apis_with_one_key_are_refused(tmp_path):
    (tmp_path / "greet.py").write_text(GREET.format(key=3))
    run = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], check=False, capture_output=True, text=True)
    assert "both declare the api key 3." in run.stderr


def test_keys_have_names():
    assert (apis.PRODUCE, apis.LIST_OFFSETS, apis.PRIVATE) == (0, 2, 32_000)
    for name in ("TELEMETRY", "produce"):
        with pytest.raises(AttributeError, match=name):
            getattr(apis, name)


def test_an_api_is_advertised_in_its_versions_unless_it_says_otherwise():
    assert fetch.API.advertised == fetch.API.versions
    assert produce.API.advertised == (0, produce.API.versions[1])
    assert private.API.advertised is None
    assert msgspec.structs.replace(list_offsets.API, is_private=True).advertised is None
