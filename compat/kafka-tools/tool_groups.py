"""The stories of kafka-consumer-groups: each of its verbs, and what it must write."""

from telling import numbers, same, scenario
from tool import at, attempt, consumed, filled, rows, running, tool, topic_of, until


def groups(bootstrap: str, *arguments: str) -> str:
    return tool("consumer-groups", *at(bootstrap), *arguments)


def read_by_group(bootstrap: str, count: int) -> tuple[str, str]:
    """A topic of ten records, and a group that has committed after `count` of them and has no members any more."""
    topic = filled(bootstrap)
    group = f"group-{topic}"
    same(consumed(bootstrap, topic, count, "--group", group, "--from-beginning"), numbers(0, count), "what it has read")
    return topic, group


def described(bootstrap: str, group: str, *more: str) -> list[dict[str, str]]:
    return rows(groups(bootstrap, "--describe", "--group", group, *more))


@scenario("groups-list")
def groups_list(bootstrap: str) -> None:
    _, group = read_by_group(bootstrap, 10)
    assert group in groups(bootstrap, "--list").splitlines()
    listed = {row["GROUP"]: row for row in rows(groups(bootstrap, "--list", "--state", "--type"))}
    same((listed[group]["STATE"], listed[group]["TYPE"]), ("Empty", "Classic"), "state and type")
    assert group not in groups(bootstrap, "--list", "--state", "stable"), "a group in another state"


@scenario("groups-describe")
def groups_describe(bootstrap: str) -> None:
    topic, group = read_by_group(bootstrap, 4)
    (row,) = described(bootstrap, group)
    found = {name: row[name] for name in ("TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG")}
    wanted = {"TOPIC": topic, "PARTITION": "0", "CURRENT-OFFSET": "4", "LOG-END-OFFSET": "10", "LAG": "6"}
    same(found, wanted, "offsets and lag")
    never = attempt("consumer-groups", *at(bootstrap), "--describe", "--group", f"never-{group}")
    assert "not found" in never.out + never.errors, never


@scenario("groups-members")
def groups_members(bootstrap: str) -> None:
    topic = topic_of(4)
    group = f"group-{topic}"
    joined = ("console-consumer", *at(bootstrap), "--topic", topic, "--group", group)
    with running(*joined), running(*joined):
        until(lambda: members(bootstrap, group) == [2, 2], "two members share four partitions")
        (state,) = described(bootstrap, group, "--state")
        same((state["STATE"], state["#MEMBERS"]), ("Stable", "2"), "state and members")
        owners = {row["CONSUMER-ID"] for row in described(bootstrap, group)}
        same((len(owners), "-" in owners), (2, False), "owners of partitions")
        verbose = groups(bootstrap, "--describe", "--group", group, "--members", "--verbose")
        assert f"{topic}:0,1" in verbose and f"{topic}:2,3" in verbose, verbose
        refused = attempt("consumer-groups", *at(bootstrap), "--delete", "--group", group)
        assert "is not empty" in refused.out + refused.errors, refused
    until(lambda: "no active members" in whole(bootstrap, group), "the members have left")


def members(bootstrap: str, group: str) -> list[int]:
    said = attempt("consumer-groups", *at(bootstrap), "--describe", "--group", group, "--members")
    return sorted(int(row["#PARTITIONS"]) for row in rows(said.out))


def whole(bootstrap: str, group: str) -> str:
    said = attempt("consumer-groups", *at(bootstrap), "--describe", "--group", group, "--members")
    return said.out + said.errors


@scenario("groups-reset-offsets")
def groups_reset_offsets(bootstrap: str) -> None:
    topic, group = read_by_group(bootstrap, 8)
    which = ("--reset-offsets", "--group", group, "--topic", topic)

    def reset(*how: str) -> str:
        (row,) = rows(groups(bootstrap, *which, *how))
        return row["NEW-OFFSET"]

    same(reset("--to-earliest", "--dry-run"), "0", "what a dry run would do")
    same(described(bootstrap, group)[0]["CURRENT-OFFSET"], "8", "what a dry run leaves as it is")
    same(reset("--shift-by", "-3", "--execute"), "5", "three back")
    same(reset("--to-offset", "7", "--execute"), "7", "to an offset")
    same(reset("--to-datetime", "2001-01-01T00:00:00.000", "--execute"), "0", "to a time before everything")
    same(reset("--to-latest", "--execute"), "10", "to the end")
    same(reset("--to-earliest", "--execute"), "0", "to the beginning")
    same(consumed(bootstrap, topic, 10, "--group", group), numbers(0, 10), "what the group reads again")


@scenario("groups-delete-offsets")
def groups_delete_offsets(bootstrap: str) -> None:
    topic, group = read_by_group(bootstrap, 5)
    said = groups(bootstrap, "--delete-offsets", "--group", group, "--topic", topic)
    assert "Request succeeded for deleting offsets" in said, said
    (row,) = rows(said)
    same((row["TOPIC"], row["PARTITION"], row["STATUS"]), (topic, "0", "Successful"), "the deleted offset")
    same(described(bootstrap, group), [], "committed offsets")


@scenario("groups-delete")
def groups_delete(bootstrap: str) -> None:
    _, group = read_by_group(bootstrap, 5)
    said = groups(bootstrap, "--delete", "--group", group)
    assert "was successful" in said, said
    assert group not in groups(bootstrap, "--list").splitlines()
    again = attempt("consumer-groups", *at(bootstrap), "--delete", "--group", group)
    assert "GroupIdNotFoundException" in again.out + again.errors, again
