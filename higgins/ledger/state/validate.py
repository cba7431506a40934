"""Validation: (draft, proposal) -> facts and a result, or a refusal. Pure; the one place that knows all proposals."""

from collections.abc import Callable
from typing import Any

import msgspec

from higgins.ledger.state import configs, groups, offsets, partitions, producers, runs, sessions, tasks, topics
from higgins.ledger.state.base import Fact, Proposal, Result
from higgins.ledger.state.state import ClusterFormed, Draft
from higgins.model.errors import Refused
from higgins_protocol.errors import ErrorCode


class FormCluster(Proposal, frozen=True):
    """Begin a cluster where there is none; nothing happens where there is one."""

    cluster_id: str


def _form_cluster(draft: Draft, proposal: FormCluster) -> tuple[list[Fact], Result]:
    return ([ClusterFormed(proposal.cluster_id)] if draft.is_first else []), None


def _create_topic(draft: Draft, proposal: topics.CreateTopic) -> tuple[list[Fact], Result]:
    return topics.create_topic(draft.topics, proposal), None


def _delete_topic(draft: Draft, proposal: topics.DeleteTopic) -> tuple[list[Fact], Result]:
    user = draft.tasks.user_of(proposal.topic_id)
    return topics.delete_topic(draft.topics, proposal, user=user), None


def _add_partitions(draft: Draft, proposal: partitions.AddPartitions) -> tuple[list[Fact], Result]:
    return partitions.add_partitions(draft.topics, draft.tasks, proposal), None


def _delete_records(draft: Draft, proposal: runs.DeleteRecords) -> tuple[list[Fact], Result]:
    return runs.delete_records(draft.topics, draft.runs, proposal)


def _configure_topic(draft: Draft, proposal: topics.ConfigureTopic) -> tuple[list[Fact], Result]:
    return topics.configure_topic(draft.topics, proposal)


def _configure_resource(draft: Draft, proposal: configs.ConfigureResource) -> tuple[list[Fact], Result]:
    return configs.configure_resource(draft.configs, proposal)


def _append(draft: Draft, proposal: runs.Append, writer: str = "") -> tuple[list[Fact], list[int]]:
    return runs.append(
        draft.topics,
        draft.runs,
        draft.objects,
        draft.producers,
        proposal,
        place=draft.place,
        now_ms=draft.moment.time_ms,
        writer=writer,
    )


def _grant_producer_ids(draft: Draft, proposal: producers.GrantProducerIds) -> tuple[list[Fact], Result]:
    return producers.grant_producer_ids(draft.producers, proposal)


def _join_session(draft: Draft, proposal: sessions.JoinSession) -> tuple[list[Fact], Result]:
    return sessions.join_session(draft.sessions, proposal)


def _leave_session(draft: Draft, proposal: sessions.LeaveSession) -> tuple[list[Fact], Result]:
    return sessions.leave_session(draft.sessions, proposal), None


def _fence_session(draft: Draft, proposal: sessions.FenceSession) -> tuple[list[Fact], Result]:
    return sessions.fence_session(draft.sessions, proposal), None


def _take_lease(draft: Draft, proposal: sessions.TakeLease) -> tuple[list[Fact], Result]:
    return sessions.take_lease(draft.sessions, proposal, number=draft.moment.number)


def _save_group(draft: Draft, proposal: groups.SaveGroup) -> tuple[list[Fact], Result]:
    facts = groups.save_group(draft.groups, draft.sessions, proposal)
    if proposal.with_offsets:
        facts.append(offsets.OffsetsDeleted(proposal.group_id))
    return facts, None


def _commit_offsets(draft: Draft, proposal: offsets.CommitOffsets) -> tuple[list[Fact], Result]:
    return offsets.commit_offsets(draft.topics, draft.sessions, proposal)


def _delete_offsets(draft: Draft, proposal: offsets.DeleteOffsets) -> tuple[list[Fact], Result]:
    return offsets.delete_offsets(draft.sessions, proposal), None


def _apply_assembly(draft: Draft, proposal: tasks.ApplyAssembly) -> tuple[list[Fact], Result]:
    return tasks.apply_assembly(draft.tasks, draft.topics, proposal)


def _task_step(draft: Draft, proposal: tasks.TaskStep) -> tuple[list[Fact], Result]:
    tasks.check_step(draft.tasks, draft.sessions, proposal)
    facts: list[Fact] = []
    results: list[list[int]] = []
    for append in proposal.appends:
        made, offsets_made = _append(draft, append, proposal.name)
        if any(offset < 0 for offset in offsets_made):
            code = ErrorCode(-min(offsets_made))
            raise Refused(code, f"The output of operator '{proposal.name}' cannot be written: {code.name}.")
        facts += made
        results.append(offsets_made)
    advanced = tasks.TaskAdvanced(
        proposal.name, proposal.partition, proposal.to_offset, proposal.counters, proposal.state_pointer
    )
    return [*facts, advanced], results


_VALIDATORS: dict[type[Proposal], Callable[[Draft, Any], tuple[list[Fact], Result]]] = {
    FormCluster: _form_cluster,
    topics.CreateTopic: _create_topic,
    topics.DeleteTopic: _delete_topic,
    topics.ConfigureTopic: _configure_topic,
    configs.ConfigureResource: _configure_resource,
    partitions.AddPartitions: _add_partitions,
    runs.Append: _append,
    runs.DeleteRecords: _delete_records,
    producers.GrantProducerIds: _grant_producer_ids,
    sessions.JoinSession: _join_session,
    sessions.LeaveSession: _leave_session,
    sessions.FenceSession: _fence_session,
    sessions.TakeLease: _take_lease,
    groups.SaveGroup: _save_group,
    offsets.CommitOffsets: _commit_offsets,
    offsets.DeleteOffsets: _delete_offsets,
    tasks.ApplyAssembly: _apply_assembly,
    tasks.TaskStep: _task_step,
}


class Say(Proposal, frozen=True):
    """A fact that needs no judgement (a sign of life)."""

    fact: sessions.SignOfLife = msgspec.field(default_factory=sessions.SignOfLife)


_VALIDATORS[Say] = lambda draft, proposal: ([proposal.fact], None)


def validate(draft: Draft, proposal: Proposal, payload_bytes: int = 0) -> Result:
    """Judge a proposal against a draft and take its facts in. Raises: Refused, leaving the draft as it was.

    `payload_bytes` is the inline payload that rides along when anything of the proposal is accepted.
    """
    draft.settle()
    facts, result = _VALIDATORS[type(proposal)](draft, proposal)
    if facts:
        draft.add(facts)
        draft.payload_bytes += payload_bytes
    return result
