// The driver of @platformatic/kafka. It has no reader without a group, so each reader is alone in a group of its own.

import { Admin, ConfigResourceTypes, Consumer, IncrementalAlterConfigOperationTypes, Producer } from '@platformatic/kafka'
import { Inbox, Outbox, main } from './driver.mjs'

const SESSION_MS = 6_000
const HEARTBEAT_MS = 500
const REBALANCE_MS = 6_000
const WAIT_MS = 250
const RETRIES = 100
const RETRY_MS = 200
const EARLIEST = -2n
const LATEST = -1n

function messageOf (record) {
  const headers = new Map(record.headers.map(([name, value]) => [Buffer.from(name), value]))
  const stamped = record.timestampMs === null ? {} : { timestamp: BigInt(record.timestampMs) }
  const keyed = record.key === null ? {} : { key: record.key }
  return { topic: record.topic, partition: record.partition, value: record.value, headers, ...keyed, ...stamped }
}

function recordOf (message) {
  const { partition, offset, timestamp, key, value, headerEntries } = message
  return { partition, offset, timestampMs: timestamp, key: key ?? null, value: value ?? null, headers: headerEntries }
}

function open (bootstrap) {
  const base = { clientId: 'higgins-compat', bootstrapBrokers: [bootstrap], retries: RETRIES, retryDelay: RETRY_MS }
  const admin = new Admin({ ...base, retries: 3 })

  async function consume (groupId, topic, how) {
    const consumer = new Consumer({
      ...base, groupId, sessionTimeout: SESSION_MS, heartbeatInterval: HEARTBEAT_MS, rebalanceTimeout: REBALANCE_MS
    })
    const inbox = new Inbox()
    const next = new Map()
    consumer.on('consumer:group:rebalance', () => { inbox.clear(); next.clear() })
    const stream = await consumer.consume({ topics: [topic], autocommit: false, maxWaitTime: WAIT_MS, ...await how(consumer) })
    stream.on('data', message => inbox.put(recordOf(message)))
    stream.on('error', error => inbox.fail(error))
    return {
      assigned: () => (consumer.assignments ?? []).filter(one => one.topic === topic).flatMap(one => one.partitions),
      poll: async timeoutMs => {
        const records = await inbox.take(timeoutMs)
        for (const record of records) next.set(record.partition, record.offset + 1n)
        return records
      },
      commit: async () => {
        const offsets = [...next].map(([partition, offset]) => ({ topic, partition, offset, leaderEpoch: -1 }))
        next.clear()
        // A rebalance has come in between; the records come again to whoever has them now.
        if (offsets.length) await consumer.commit({ offsets }).catch(error => console.error(error.message))
      },
      close: () => consumer.close(true)
    }
  }

  const HOW = {
    begin: () => ({ mode: 'earliest' }),
    end: () => ({ mode: 'latest' }),
    offset: (_, { topic, partitions, value }) => {
      return { mode: 'manual', offsets: partitions.map(partition => ({ topic, partition, offset: BigInt(value) })) }
    },
    time: async (consumer, { topic, partitions, value }) => {
      const found = (await consumer.listOffsets({ topics: [topic], timestamp: BigInt(value) })).get(topic)
      return { mode: 'manual', offsets: partitions.map(partition => ({ topic, partition, offset: found[partition] })) }
    }
  }

  return {
    producer ({ acks, codec, idempotent }) {
      const producer = new Producer({ ...base, idempotent, autocreateTopics: true })
      const settings = { acks: acks === 'all' ? -1 : Number(acks), compression: codec }
      const outbox = new Outbox(records => producer.send({ messages: records.map(messageOf), ...settings }))
      return {
        send: record => outbox.add(record),
        flush: () => outbox.flush(),
        close: () => producer.close()
      }
    },

    reader: start => consume(`reader-${process.pid}-${Date.now()}`, start.topic, consumer => HOW[start.at](consumer, start)),

    member: (group, topic) => consume(group, topic, () => ({ mode: 'committed', fallbackMode: 'earliest' })),

    topics: () => admin.listTopics(),

    createTopic: (topic, partitions) => admin.createTopics({ topics: [topic], partitions, replicas: 1 }),

    close: () => admin.close(),

    calls: calls(admin)
  }
}

function calls (admin) {
  const resource = topic => ({ resourceType: ConfigResourceTypes.TOPIC, resourceName: topic })
  const offsetAt = async (topic, partition, timestamp) => {
    const [found] = await admin.listOffsets({ topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp }] }] })
    return Number(found.partitions[0].offset)
  }
  return {
    nodes: async () => {
      const { brokers } = await admin.metadata({ topics: [] })
      return [...brokers.values()].map(one => `${one.host}:${one.port}`)
    },
    delete_topic: ({ name }) => admin.deleteTopics({ topics: [name] }),
    create_partitions: ({ topic, count }) => admin.createPartitions({ topics: [{ name: topic, count, assignments: null }] }),
    describe_configs: async ({ topic }) => {
      const [found] = await admin.describeConfigs({ resources: [resource(topic)] })
      return Object.fromEntries(found.configs.map(one => [one.name, one.value]))
    },
    alter_configs: async ({ topic, changed, deleted }) => {
      const { SET, DELETE } = IncrementalAlterConfigOperationTypes
      const set = Object.entries(changed).map(([name, value]) => ({ name, value, configOperation: SET }))
      const configs = [...set, ...deleted.map(name => ({ name, configOperation: DELETE }))]
      await admin.incrementalAlterConfigs({ resources: [{ ...resource(topic), configs }] })
    },
    delete_records: async ({ topic, partition, before }) => {
      const [done] = await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition, offset: BigInt(before) }] }] })
      return Number(done.partitions[0].lowWatermark)
    },
    offsets: async ({ topic, partition }) => [await offsetAt(topic, partition, EARLIEST), await offsetAt(topic, partition, LATEST)],
    groups: async () => [...(await admin.listGroups()).keys()],
    describe_group: async ({ group }) => {
      const found = (await admin.describeGroups({ groups: [group] })).get(group)
      return [found.state.toLowerCase(), found.members.size]
    },
    delete_group: ({ group }) => admin.deleteGroups({ groups: [group] }),
    committed: async ({ group, topic }) => {
      const [found] = await admin.listConsumerGroupOffsets({ groups: [group] })
      const partitions = found.topics.find(one => one.name === topic)?.partitions ?? []
      return Object.fromEntries(partitions.map(one => [one.partitionIndex, Number(one.committedOffset)]))
    },
    commit_for: async ({ group, topic, offsets }) => {
      const partitionOffsets = Object.entries(offsets).map(([partition, offset]) => ({ partition: Number(partition), offset: BigInt(offset) }))
      await admin.alterConsumerGroupOffsets({ groupId: group, topics: [{ name: topic, partitionOffsets }] })
    },
    delete_committed: async ({ group, topic, partitions }) => {
      await admin.deleteConsumerGroupOffsets({ groupId: group, topics: [{ name: topic, partitionIndexes: partitions }] })
    }
  }
}

await main(open)
