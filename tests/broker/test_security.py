"""Rules of access, quotas, credentials and transactions, asked of a broker that has none of them."""

import pytest

from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.alter_client_quotas import AlterClientQuotasRequest, EntityData, EntryData, OpData
from higgins_protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)
from higgins_protocol.messages.create_acls import AclCreation, CreateAclsRequest
from higgins_protocol.messages.delete_acls import DeleteAclsFilter, DeleteAclsRequest
from higgins_protocol.messages.describe_acls import DescribeAclsRequest
from higgins_protocol.messages.describe_client_quotas import ComponentData, DescribeClientQuotasRequest
from higgins_protocol.messages.describe_transactions import DescribeTransactionsRequest
from higgins_protocol.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    UserName,
)
from higgins_protocol.messages.list_transactions import ListTransactionsRequest


def name_of(code):
    return ErrorCode(code).name


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_without_an_authorizer_rules_are_disabled(autojump_clock, peer, version):
    described = await peer.ask(DescribeAclsRequest(), version)
    assert (name_of(described.error_code), described.resources) == ("SECURITY_DISABLED", [])
    created = await peer.ask(CreateAclsRequest([AclCreation(2, "t"), AclCreation(2, "u")]), version)
    deleted = await peer.ask(DeleteAclsRequest([DeleteAclsFilter(), DeleteAclsFilter()]), version)
    for rows in (created.results, deleted.filter_results):
        assert [name_of(row.error_code) for row in rows] == ["SECURITY_DISABLED"] * 2
        assert all("authorizer" in row.error_message for row in rows)
    assert (await peer.ask(CreateAclsRequest([]), version)).results == []


# ---- quotas ----------------------------------------------------------------------------------------------------------


QUOTA_FILTERS = {
    "all": ([], "NONE"),
    "one user": ([ComponentData("user", 0, "alice")], "NONE"),
    "any user of a client": ([ComponentData("user", 2, None), ComponentData("client-id", 1, None)], "NONE"),
    "an address": ([ComponentData("ip", 0, "10.0.0.1")], "NONE"),
    "no type": ([ComponentData("", 0, "a")], "INVALID_REQUEST"),
    "a type of one's own": ([ComponentData("colour", 0, "red")], "UNSUPPORTED_VERSION"),
    "a type twice": ([ComponentData("user", 0, "a"), ComponentData("user", 0, "b")], "INVALID_REQUEST"),
    "an unknown match": ([ComponentData("user", 9, "a")], "INVALID_REQUEST"),
    "something to match with a default": ([ComponentData("user", 1, "a")], "INVALID_REQUEST"),
    "nothing to match": ([ComponentData("user", 0, None)], "INVALID_REQUEST"),
    "an address of a user": ([ComponentData("user", 0, "a"), ComponentData("ip", 0, "b")], "INVALID_REQUEST"),
}


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("components, wanted", QUOTA_FILTERS.values(), ids=QUOTA_FILTERS.keys())
async def test_nobody_has_a_quota(autojump_clock, peer, version, components, wanted):
    found = await peer.ask(DescribeClientQuotasRequest(components), version)
    assert name_of(found.error_code) == wanted
    assert found.entries == ([] if wanted == "NONE" else None), "Java reads entries only where there is no error"
    assert bool(found.error_message) == (wanted != "NONE")


@pytest.mark.parametrize("version", [0, 1])
async def test_a_quota_that_would_not_be_enforced_is_refused(autojump_clock, peer, version):
    entry = EntryData([EntityData("user", "alice")], [OpData("producer_byte_rate", 1000.0)])
    for validate_only in (False, True):
        (row,) = (await peer.ask(AlterClientQuotasRequest([entry], validate_only), version)).entries
        assert name_of(row.error_code) == "POLICY_VIOLATION" and "no quotas" in row.error_message
        assert row.entity == entry.entity


# ---- credentials -----------------------------------------------------------------------------------------------------


async def test_nobody_has_credentials(autojump_clock, peer):
    for users in (None, []):
        found = await peer.ask(DescribeUserScramCredentialsRequest(users))
        assert (found.error_code, found.error_message, found.results) == (0, "", [])
    found = await peer.ask(DescribeUserScramCredentialsRequest([UserName("a"), UserName("b"), UserName("b")]))
    assert [(row.user, name_of(row.error_code), row.credential_infos) for row in found.results] == [
        ("a", "RESOURCE_NOT_FOUND", []),
        ("b", "DUPLICATE_RESOURCE", []),
    ]


async def test_credentials_are_neither_kept_nor_deleted(autojump_clock, peer):
    request = AlterUserScramCredentialsRequest(
        [ScramCredentialDeletion("gone", 1), ScramCredentialDeletion("", 1), ScramCredentialDeletion("odd", 9)],
        [
            ScramCredentialUpsertion(name, 2, iterations, b"s", b"p")
            for name, iterations in (("new", 4096), ("weak", 4095), ("slow", 16385), ("twice", 4096), ("twice", 4096))
        ],
    )
    rows = (await peer.ask(request)).results
    assert [(row.user, name_of(row.error_code)) for row in rows] == [
        ("gone", "RESOURCE_NOT_FOUND"),
        ("", "UNACCEPTABLE_CREDENTIAL"),
        ("odd", "UNSUPPORTED_SASL_MECHANISM"),
        ("new", "UNSUPPORTED_SASL_MECHANISM"),
        ("weak", "UNACCEPTABLE_CREDENTIAL"),
        ("slow", "UNACCEPTABLE_CREDENTIAL"),
        ("twice", "DUPLICATE_RESOURCE"),
    ]
    assert all(row.error_message for row in rows)


# ---- transactions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_there_are_no_transactions(autojump_clock, peer, version):
    found = await peer.ask(ListTransactionsRequest(["Ongoing", "Sleeping", "Sleeping"], [7]), version)
    assert (found.error_code, found.transaction_states, found.unknown_state_filters) == (0, [], ["Sleeping"])


async def test_a_pattern_that_is_none_is_refused(autojump_clock, peer):
    codes = [(await peer.ask(ListTransactionsRequest(transactional_id_pattern=one))).error_code for one in ("a.*", "(")]
    assert [name_of(code) for code in codes] == ["NONE", "INVALID_REGULAR_EXPRESSION"]


async def test_no_transactional_id_is_found(autojump_clock, peer):
    found = await peer.ask(DescribeTransactionsRequest(["a", "", "a"]))
    assert [(row.transactional_id, name_of(row.error_code)) for row in found.transaction_states] == [
        ("a", "TRANSACTIONAL_ID_NOT_FOUND"),
        ("", "INVALID_REQUEST"),
        ("a", "TRANSACTIONAL_ID_NOT_FOUND"),
    ]
