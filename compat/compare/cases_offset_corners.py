"""Corners of what groups commit, and of who coordinates them."""

from compat.compare.cases_groups import committed, join, joined
from compat.compare.cases_member_corners import joined_as
from compat.compare.script import Script, case
from higgins_protocol.messages.delete_groups import DeleteGroupsRequest
from higgins_protocol.messages.find_coordinator import FindCoordinatorRequest
from higgins_protocol.messages.join_group import JoinGroupRequestProtocol
from higgins_protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from higgins_protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from higgins_protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)

FAR = 1 << 62


def subscribed(topic: str) -> bytes:
    """What a member of the consumer protocol says of itself: version 0, one topic, no user data."""
    name = topic.encode()
    return b"\0\0" + b"\0\0\0\1" + len(name).to_bytes(2, "big") + name + b"\xff\xff\xff\xff"


@case(OffsetCommitRequest)
def offset_commit_corners(s: Script) -> None:
    group, name = s.group(), s.topic()

    def commit(label: str, *rows: tuple[str, list[OffsetCommitRequestPartition]], group_id: str = group,
               generation: int = -1, member: str = "", instance: str | None = None) -> None:  # fmt: skip
        topics = [OffsetCommitRequestTopic(*row) for row in rows]
        s.ask(OffsetCommitRequest(group_id, generation, member, instance, -1, topics), label)

    def at(index: int, offset: int = 5, epoch: int = -1, note: str | None = "") -> OffsetCommitRequestPartition:
        return OffsetCommitRequestPartition(index, offset, epoch, note)

    commit("nothing")
    commit("no partitions", (name, []))
    commit("nothing of an empty id", group_id="")
    commit("empty topic", ("", [at(0)]))
    commit("invalid topic", ("a/b", [at(0)]))
    commit("negative partition", (name, [at(-1)]))
    commit("far back", (name, [at(0, -5)]))
    commit("far out", (name, [at(0, FAR)]))
    commit("a partition twice", (name, [at(0, 1), at(0, 2)]))
    commit("a topic twice", (name, [at(0, 1)]), (name, [at(1, 2)]))
    commit("good beside bad", (name, [at(0), at(9)]), (s.name("unknown"), [at(0)]))
    commit("just as long as may be", (name, [at(0, 1, -1, "m" * 4096)]))
    commit("a little longer", (name, [at(0, 1, -1, "m" * 4097)]))
    commit("long in bytes alone", (name, [at(0, 1, -1, "ü" * 4000)]))
    if s.version >= 6:
        commit("an epoch", (name, [at(0, 1, 5)]))
        commit("a negative epoch", (name, [at(0, 1, -5)]))
    commit("a member without a generation", (name, [at(0)]), member="who")
    commit("a generation of zero", (name, [at(0)]), generation=0)
    commit("a generation of zero, unknown group", (name, [at(0)]), group_id=s.name("unknown"), generation=0)
    commit("a generation of minus two", (name, [at(0)]), generation=-2)
    commit("a member and a generation", (name, [at(0)]), member="who", generation=1)
    if s.version >= 7:
        commit("an instance alone", (name, [at(0)]), instance="i")
        still = s.group("static")
        member, generation = joined_as(s, still, "i")
        commit("static", (name, [at(0)]), group_id=still, generation=generation, member=member, instance="i")
        commit("another id", (name, [at(0)]), group_id=still, generation=generation, member="who", instance="i")
        commit("another instance", (name, [at(0)]), group_id=still, generation=generation, member=member, instance="j")
        commit("an instance without a member", (name, [at(0)]), group_id=still, instance="i")
    member, generation = joined(s, group)
    commit("a member without generation, in a group", (name, [at(0)]), member=member)
    s.do(join(group, member))
    commit("while nobody is assigned", (name, [at(0)]), member=member, generation=generation + 1)


@case(OffsetFetchRequest)
def offset_fetch_corners(s: Script) -> None:
    group, name, other = s.group(), s.topic(), s.topic("b")
    s.do(committed(group, name))
    s.do(committed(group, other, 7))

    def look(label: str, *rows: tuple[str, list[int]], group_id: str = group, stable: bool = False) -> None:
        if s.version >= 8:
            topics = [OffsetFetchRequestTopics(*row) for row in rows]
            asked = OffsetFetchRequestGroup(group_id, None, -1, topics)
            s.ask(OffsetFetchRequest(groups=[asked], require_stable=stable), label)
        elif not stable or s.version >= 7:
            s.ask(OffsetFetchRequest(group_id, [OffsetFetchRequestTopic(*row) for row in rows],
                                     require_stable=stable), label)  # fmt: skip

    look("nothing")
    look("nothing of an unknown group", group_id=s.name("unknown"))
    look("no partitions", (name, []))
    look("empty topic", ("", [0]))
    look("invalid topic", ("a/b", [0]))
    look("unknown topic", (s.name("unknown"), [0]))
    look("negative partition", (name, [-1]))
    look("a partition twice", (name, [0, 0]))
    look("a topic twice", (name, [0]), (name, [1]))
    look("two topics", (other, [0]), (name, [1, 0]))
    look("a long group id", (name, [0]), group_id="g" * 5000)
    look("stable alone", (name, [0]), stable=True)
    if s.version < 8:
        return

    def many(label: str, *groups: tuple[str, list[int] | None], **more: object) -> None:
        rows = [
            OffsetFetchRequestGroup(
                each, topics=None if found is None else [OffsetFetchRequestTopics(name, found)], **more  # type: ignore[arg-type]
            )
            for each, found in groups
        ]
        s.ask(OffsetFetchRequest(groups=rows), label)

    many("no groups")
    many("two groups", (group, [0]), (s.name("unknown"), [0]))
    many("a group twice", (group, [0]), (group, None))
    many("a group and an empty id", (group, None), ("", None))
    many("all of a group that has none", (s.name("unknown"), None))
    if s.version >= 9:
        many("an unknown member", (group, [0]), member_id="who", member_epoch=3)
        many("an epoch alone", (group, [0]), member_epoch=3)
        many("a member of an unknown group", (s.name("unknown"), [0]), member_id="who", member_epoch=3)


@case(OffsetDeleteRequest)
def offset_delete_corners(s: Script) -> None:
    group, name, other = s.group(), s.topic(), s.topic("b")
    s.do(committed(group, name))
    s.do(committed(group, other))

    def delete(label: str, *rows: tuple[str, list[int]], group_id: str = group) -> None:
        topics = [OffsetDeleteRequestTopic(each, [OffsetDeleteRequestPartition(i) for i in on]) for each, on in rows]
        s.ask(OffsetDeleteRequest(group_id, topics), label)

    delete("nothing")
    delete("nothing of an unknown group", group_id=s.name("unknown"))
    delete("no partitions", (name, []))
    delete("empty topic", ("", [0]))
    delete("invalid topic", ("a/b", [0]))
    delete("negative partition", (name, [-1]))
    delete("a partition twice", (name, [0, 0]))
    delete("a topic twice", (name, [0]), (name, [1]))
    delete("good beside bad", (name, [0, 9]), (s.name("unknown"), [0]))
    reading = [JoinGroupRequestProtocol("range", subscribed(name))]
    member = s.do(join(group, protocols=reading)).member_id
    s.do(join(group, member, protocols=reading))
    delete("read by a member", (name, [0]))
    delete("beside what a member reads", (other, [0]))
    delete("both", (name, [0, 1]), (other, [0, 1]))
    odd = s.group("odd")
    member = s.do(join(odd, protocol_type="odd")).member_id
    s.do(join(odd, member, protocol_type="odd"))
    delete("members of another protocol", (name, [0]), group_id=odd)


@case(DeleteGroupsRequest)
def delete_groups_corners(s: Script) -> None:
    simple, left, announced, name = s.group("a"), s.group("b"), s.group("c"), s.topic()
    s.do(committed(simple, name))
    s.do(join(announced))
    s.ask(DeleteGroupsRequest([simple, simple]), "twice in one")
    s.ask(DeleteGroupsRequest([s.name("unknown")] * 2), "unknown twice")
    s.ask(DeleteGroupsRequest(["", s.name("unknown"), left]), "empty beside unknown")
    s.do(OffsetCommitRequest(left, -1, "", None, -1, []))
    s.ask(DeleteGroupsRequest([left]), "nothing committed")
    s.do(join(left, protocols=[]))
    s.ask(DeleteGroupsRequest([left]), "turned away")
    s.ask(DeleteGroupsRequest([announced]), "announced alone")
    s.ask(DeleteGroupsRequest(["g" * 5000]), "a long group id")


@case(FindCoordinatorRequest)
def find_coordinator_corners(s: Script) -> None:
    first, second = s.group("a"), s.group("b")
    s.transactional_id()
    if s.version < 4:
        s.ask(FindCoordinatorRequest("g" * 5000), "a long key")
        if s.version >= 1:
            s.ask(FindCoordinatorRequest(first, -1), "a negative kind")
        return
    s.ask(FindCoordinatorRequest("", 0, []), "no keys")
    s.ask(FindCoordinatorRequest("", 1, []), "no transactional ids")
    s.ask(FindCoordinatorRequest("", 0, [first, second]), "two")
    s.ask(FindCoordinatorRequest("", 0, [first, first]), "twice in one")
    s.ask(FindCoordinatorRequest("", 0, [first, ""]), "one beside an empty")
    s.ask(FindCoordinatorRequest("", -1, [first]), "a negative kind")
    s.ask(FindCoordinatorRequest("", 9, []), "no such kind, no keys")
    s.ask(FindCoordinatorRequest("", 1, [first, second]), "two transactional ids")
