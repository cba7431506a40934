"""Corners of membership: who joins, comes back, syncs, beats and leaves with what does not fit."""

from compat.compare.cases_groups import committed, join, joined
from compat.compare.script import Script, case
from higgins_protocol.messages.describe_groups import DescribeGroupsRequest
from higgins_protocol.messages.heartbeat import HeartbeatRequest
from higgins_protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from higgins_protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from higgins_protocol.messages.list_groups import ListGroupsRequest
from higgins_protocol.messages.offset_commit import OffsetCommitRequest
from higgins_protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

STATIC_SINCE_JOIN, STATIC_SINCE_SYNC, STATIC_SINCE_LEAVE = 5, 3, 3


def offers(*names: str) -> list[JoinGroupRequestProtocol]:
    return [JoinGroupRequestProtocol(name, name.encode()) for name in names]


def joined_as(s: Script, group: str, instance: str) -> tuple[str, int]:
    """A static member that leads a stable group of one: its id and generation."""
    answer = s.do(join(group, group_instance_id=instance))
    assigned = [SyncGroupRequestAssignment(answer.member_id, b"x")]
    generation = answer.generation_id
    s.do(SyncGroupRequest(group, generation, answer.member_id, instance, "consumer", "range", assigned))
    return answer.member_id, generation


@case(JoinGroupRequest)
def join_group_bounds(s: Script) -> None:
    group = s.group()
    s.ask(join(""), "empty group id, no member")
    s.ask(join("", session_timeout_ms=1), "empty group id, session timeout too short")
    s.ask(join(group, session_timeout_ms=999), "a little too short")
    s.ask(join(group, session_timeout_ms=1_800_001), "a little too long")
    s.ask(join(group, session_timeout_ms=0), "no session")
    s.ask(join(group, session_timeout_ms=-1), "a negative session")
    s.ask(join(group, "who", protocols=[]), "unknown member without protocols")
    s.ask(join(group, "who", session_timeout_ms=1), "unknown member, session timeout too short")
    s.ask(join(group, protocol_type="", protocols=[]), "neither type nor protocols")
    if s.version >= STATIC_SINCE_JOIN:
        s.ask(join(group, "who", group_instance_id="i"), "unknown member of an unknown instance")
        for n, odd in enumerate(("", "a b", ".", "i" * 250)):
            s.ask(join(s.group(f"odd-{n}"), group_instance_id=odd), f"instance {odd[:5]!r}")
        s.ask(join(group, protocols=[], group_instance_id="i"), "an instance without protocols")


@case(JoinGroupRequest)
def join_group_again(s: Script) -> None:
    group = s.group()
    first = s.ask(join(group, protocols=offers("a", "b")), "first")
    member = first.member_id
    if first.error_code:
        s.ask(join(group, member, protocols=[]), "with the id, without protocols")
        s.ask(join(group, member, protocols=offers("a", "b")), "with the id")
        s.ask(join(group, member, protocols=offers("a", "b")), "with the id once more")
    s.ask(join(group, member, protocols=offers("b", "a")), "the other order")
    s.ask(join(group, member, protocols=[]), "a member without protocols")
    s.ask(join(group, member, protocol_type=""), "a member without a type")
    s.ask(join(group, "who", protocols=offers("a")), "somebody who is not in")
    s.ask(join(group, protocol_type="other", protocols=offers("a")), "somebody of another type")
    s.ask(join(group, member, protocols=offers("")), "a protocol without a name")
    if s.version >= STATIC_SINCE_JOIN:
        s.ask(join(group, member, group_instance_id="i", protocols=offers("a")), "a member turned static")
    s.do(LeaveGroupRequest(group, members=[MemberIdentity(member)]))
    s.ask(join(group, member, protocols=offers("a")), "after leaving")
    if s.version < 4:
        s.ask(join(s.group("twice"), protocols=offers("a", "a")), "one protocol twice")


@case(JoinGroupRequest)
def join_group_static(s: Script) -> None:
    if s.version < STATIC_SINCE_JOIN:
        return
    group = s.group()
    former, _ = joined_as(s, group, "i")
    s.ask(join(group, "who", group_instance_id="i"), "another id for the instance")
    s.ask(join(group, former, group_instance_id="other"), "another instance for the id")
    again = s.ask(join(group, group_instance_id="i"), "a restart")
    s.ask(join(group, former, group_instance_id="i"), "the former self")
    s.ask(join(group, again.member_id, group_instance_id="i"), "the new self")
    s.ask(join(group, protocols=offers("odd"), group_instance_id="j"), "no protocol in common")
    s.ask(join(group, protocol_type="odd", group_instance_id="i"), "a restart of another type")
    s.ask(join(group, protocols=offers("range", "more"), group_instance_id="i"), "a restart with more protocols")


@case(JoinGroupRequest)
def join_group_of_two(s: Script) -> None:
    group = s.group()
    member, _ = joined(s, group)
    second = ""
    if s.version >= 4:
        second = s.ask(join(group, protocols=offers("range", "other")), "the second").member_id
    s.ask(join(group, second, protocols=offers("other")), "the second, nothing in common")
    take = s.ask_aside(join(group, second, protocols=offers("other", "range")), "the second joins")
    s.pause()
    s.ask(join(group, member, protocols=offers("other", "range")), "the first joins again")
    take()


@case(SyncGroupRequest)
def sync_group_corners(s: Script) -> None:
    group = s.group()
    member = s.do(join(group)).member_id
    generation = s.do(join(group, member)).generation_id

    def sync(
        label: str,
        *assigned: tuple[str, bytes],
        group_id: str = group,
        at: int = generation,
        who: str = member,
        instance: str | None = None,
        kind: str | None = "consumer",
        name: str | None = "range",
    ) -> None:
        rows = [SyncGroupRequestAssignment(*each) for each in assigned]
        s.ask(SyncGroupRequest(group_id, at, who, instance, kind, name, rows), label)

    sync("no member", who="")
    sync("a generation before", at=generation - 1)
    sync("a negative generation", at=-1)
    sync("unknown member, wrong generation", who="who", at=99)
    if s.version >= STATIC_SINCE_SYNC:
        sync("an unknown instance", instance="i")
    if s.version >= 5:
        sync("no type", kind=None)
        sync("no name", name=None)
        sync("an empty type", kind="")
        sync("unknown group, no type", group_id=s.name("unknown"), kind=None)
        sync("empty group, no type", group_id="", kind=None)
        sync("wrong generation, another name", at=generation + 1, name="other")
    sync("for nobody")
    sync("with what was assigned", (member, b"late"))
    sync("for strangers", ("who", b"x"))
    s.do(LeaveGroupRequest(group, members=[MemberIdentity(member)]))
    sync("after leaving")


@case(HeartbeatRequest)
def heartbeat_corners(s: Script) -> None:
    group, still = s.group(), s.group("static")
    first = s.do(join(group))

    def beat(label: str, group_id: str, generation: int, member: str, instance: str | None = None) -> None:
        if instance is None or s.version >= 3:
            s.ask(HeartbeatRequest(group_id, generation, member, instance), label)

    beat("no member", group, 1, "")
    beat("announced", group, -1, first.member_id)
    generation = s.do(join(group, first.member_id)).generation_id
    beat("before the assignment", group, generation, first.member_id)
    beat("a generation before", group, generation - 1, first.member_id)
    beat("a negative generation", group, -1, first.member_id)
    beat("an unknown instance", group, generation, first.member_id, "i")
    s.do(LeaveGroupRequest(group, members=[MemberIdentity(first.member_id)]))
    beat("after leaving", group, generation, first.member_id)
    member, at = joined_as(s, still, "i")
    beat("static", still, at, member, "i")
    beat("static, by id alone", still, at, member)
    beat("static, another id", still, at, "who", "i")
    beat("static, wrong generation and id", still, at + 1, "who", "i")
    beat("static, another instance", still, at, member, "j")
    beat("static, no id", still, at, "", "i")
    s.do(join(still, group_instance_id="i"))
    beat("static, the former self", still, at, member, "i")


@case(LeaveGroupRequest)
def leave_group_corners(s: Script) -> None:
    group, still = s.group(), s.group("static")
    member, _ = joined(s, group)
    held, _ = joined_as(s, still, "i")
    if s.version < 3:
        s.ask(LeaveGroupRequest(group, ""), "no member")
        s.ask(LeaveGroupRequest(still, held), "a static member by its id")
        return

    def leave(label: str, group_id: str, *who: tuple[str, str | None]) -> None:
        s.ask(LeaveGroupRequest(group_id, members=[MemberIdentity(*each) for each in who]), label)

    leave("nobody", group)
    leave("nobody of an unknown group", s.name("unknown"))
    leave("nobody of an empty id", "")
    leave("two of an unknown group", s.name("unknown"), ("a", None), ("", "i"))
    leave("no id", group, ("", None))
    leave("an unknown instance", group, ("", "i"))
    leave("an unknown instance of a member", group, (member, "i"))
    leave("one twice", group, (member, None), (member, None))
    leave("another id for the instance", still, ("who", "i"))
    leave("another instance for the id", still, (held, "j"))
    leave("good beside unknown", still, ("who", None), ("", "i"), (held, None))


@case(DescribeGroupsRequest)
def describe_groups_corners(s: Script) -> None:
    group, simple, still = s.group(), s.group("simple"), s.group("static")
    s.ask(DescribeGroupsRequest([]), "nothing")
    s.ask(DescribeGroupsRequest([s.name("unknown")] * 2), "unknown twice")
    if s.version >= 3:
        s.ask(DescribeGroupsRequest([s.name("unknown")], True), "operations of an unknown")
    s.do(join(group, session_timeout_ms=1))
    s.ask(DescribeGroupsRequest([group]), "turned away for the session")
    s.do(OffsetCommitRequest(group, -1, "", None, -1, []))
    s.ask(DescribeGroupsRequest([group]), "nothing committed")
    s.do(committed(simple, s.topic()))
    s.ask(DescribeGroupsRequest([simple]), "offsets alone")
    first = s.do(join(group)).member_id
    s.ask(DescribeGroupsRequest([group]), "announced alone")
    s.do(join(group, first))
    s.ask(DescribeGroupsRequest([group]), "before the assignment")
    joined_as(s, still, "i")
    s.ask(DescribeGroupsRequest([still]), "static")
    s.ask(DescribeGroupsRequest([still, still]), "twice")
    s.ask(DescribeGroupsRequest([still, "", s.name("unknown")]), "good beside bad")


@case(ListGroupsRequest)
def list_groups_corners(s: Script) -> None:
    mine, empty = s.group("busy"), s.group("empty")
    joined(s, mine)
    s.do(committed(empty, s.topic()))
    ours = (mine, empty)

    def listed(label: str, states: list[str], types: list[str] = []) -> None:  # noqa: B006
        found = s.do(ListGroupsRequest(states, types), s.version)
        rows = {each.group_id: each for each in found.groups if each.group_id in ours}
        s.note(label, {"error": found.error_code, "rows": {str(ours.index(name)): rows[name] for name in sorted(rows)}})

    listed("all", [])
    if s.version >= 4:
        for state in ("Stable", "stable", "STABLE", "Empty", "empty", "PreparingRebalance", "Dead", "", " Stable"):
            listed(f"state {state!r}", [state])
        listed("two states", ["Empty", "Stable"])
        listed("a state that is and one that is none", ["Empty", "Nonsense"])
    if s.version >= 5:
        for kind in ("classic", "Classic", "CLASSIC", "consumer", "Consumer", "", "unknown"):
            listed(f"type {kind!r}", [], [kind])
        listed("type and state", ["Stable"], ["classic"])
        listed("two types", [], ["consumer", "classic"])
