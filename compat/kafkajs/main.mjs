// The driver of KafkaJS. It has no reader without a group, so each reader is alone in a group of its own.

import kafkajs from 'kafkajs'
import snappy from 'kafkajs-snappy'
import lz4 from 'lz4js'
import zstd from 'zstd-codec'
import { Inbox, Outbox, main } from './driver.mjs'

const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, logLevel } = kafkajs

const SESSION_MS = 6_000
const HEARTBEAT_MS = 500
const RETRIES = 100
const WAIT_MS = 250
const SET_ON_THE_TOPIC = 1
const CODECS = { none: 'None', gzip: 'GZIP', snappy: 'Snappy', lz4: 'LZ4', zstd: 'ZSTD' }

// Only gzip is its own; the others are for its users to bring.
const { Simple } = await new Promise(resolve => zstd.ZstdCodec.run(resolve))
CompressionCodecs[CompressionTypes.Snappy] = snappy
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async encoder => Buffer.from(lz4.compress(encoder.buffer)),
  decompress: async buffer => Buffer.from(lz4.decompress(buffer))
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from(new Simple().compress(encoder.buffer)),
  decompress: async buffer => Buffer.from(new Simple().decompress(buffer))
})

function messageOf (record) {
  const headers = {}
  for (const [name, value] of record.headers) (headers[name] ??= []).push(value)
  const stamped = record.timestampMs === null ? {} : { timestamp: String(record.timestampMs) }
  return { key: record.key, value: record.value, partition: record.partition, headers, ...stamped }
}

function recordOf (partition, message) {
  const headers = Object.entries(message.headers ?? {}).flatMap(([name, values]) => [values].flat().map(value => [name, value]))
  return { partition, offset: message.offset, timestampMs: message.timestamp, key: message.key, value: message.value, headers }
}

function open (bootstrap) {
  const kafka = new Kafka({
    clientId: 'higgins-compat',
    brokers: [bootstrap],
    logLevel: logLevel.WARN,
    retry: { retries: RETRIES, initialRetryTime: 100, maxRetryTime: 1_000 }
  })

  async function withAdmin (call) {
    const admin = kafka.admin({ retry: { retries: 5 } })
    await admin.connect()
    try {
      return await call(admin)
    } finally {
      await admin.disconnect()
    }
  }

  async function consume (groupId, topic, fromBeginning) {
    const consumer = kafka.consumer({
      groupId, sessionTimeout: SESSION_MS, heartbeatInterval: HEARTBEAT_MS, maxWaitTimeInMs: WAIT_MS
    })
    const inbox = new Inbox()
    const next = new Map()
    let assigned = []
    const { GROUP_JOIN, REBALANCING, CRASH } = consumer.events
    const lose = () => { assigned = []; inbox.clear(); next.clear() }
    consumer.on(REBALANCING, lose)
    consumer.on(GROUP_JOIN, event => { lose(); assigned = event.payload.memberAssignment[topic] ?? [] })
    consumer.on(CRASH, event => { if (!event.payload.restart) inbox.fail(event.payload.error) })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning })
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      // What is not polled before a rebalance is not resolved, or a later commit would skip it.
      eachBatch: async ({ batch, resolveOffset, isRunning, isStale }) => {
        if (!isRunning() || isStale()) return
        const taken = await inbox.offer(batch.messages.map(message => recordOf(batch.partition, message)))
        if (taken) resolveOffset(batch.lastOffset())
      }
    })
    return {
      assigned: () => assigned,
      poll: async timeoutMs => {
        const records = await inbox.take(timeoutMs)
        for (const record of records) next.set(record.partition, String(BigInt(record.offset) + 1n))
        return records
      },
      commit: async () => {
        const offsets = [...next].map(([partition, offset]) => ({ topic, partition, offset }))
        next.clear()
        // A rebalance has come in between; the records come again to whoever has them now.
        if (offsets.length) await consumer.commitOffsets(offsets).catch(error => console.error(error.message))
      },
      close: () => consumer.disconnect()
    }
  }

  return {
    async producer ({ acks, codec, idempotent }) {
      const producer = kafka.producer({ idempotent, maxInFlightRequests: 1 })
      await producer.connect()
      const outbox = new Outbox(async records => {
        const topicMessages = Object.entries(grouped(records))
          .map(([topic, those]) => ({ topic, messages: those.map(messageOf) }))
        const compression = CompressionTypes[CODECS[codec]]
        await producer.sendBatch({ topicMessages, acks: acks === 'all' ? -1 : Number(acks), compression })
      })
      return {
        send: record => outbox.add(record),
        flush: () => outbox.flush(),
        close: () => producer.disconnect()
      }
    },

    async reader ({ topic, partitions, at, value }) {
      const groupId = `reader-${process.pid}-${Date.now()}`
      if (at === 'offset' || at === 'time') {
        await withAdmin(async admin => {
          const found = at === 'time' ? await admin.fetchTopicOffsetsByTimestamp(topic, value) : []
          const offsets = partitions.map(partition => ({
            partition, offset: at === 'offset' ? String(value) : found.find(one => one.partition === partition).offset
          }))
          await admin.setOffsets({ groupId, topic, partitions: offsets })
        })
      }
      return consume(groupId, topic, at !== 'end')
    },

    member: (group, topic) => consume(group, topic, true),

    topics: () => withAdmin(admin => admin.listTopics()),

    createTopic: (name, partitions) => withAdmin(async admin => {
      await admin.createTopics({ waitForLeaders: true, topics: [{ topic: name, numPartitions: partitions }] })
    }),

    calls: calls(withAdmin)
  }
}

function grouped (records) {
  const found = {}
  for (const record of records) (found[record.topic] ??= []).push(record)
  return found
}

function calls (withAdmin) {
  const offsetsOf = async (admin, topic, partition) => {
    const found = (await admin.fetchTopicOffsets(topic)).find(one => one.partition === partition)
    return [Number(found.low), Number(found.high)]
  }
  const entriesOf = async (admin, topic) => {
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic }]
    const found = await admin.describeConfigs({ includeSynonyms: false, resources })
    return found.resources[0].configEntries
  }
  const calls = {
    nodes: async admin => (await admin.describeCluster()).brokers.map(one => `${one.host}:${one.port}`),
    delete_topic: (admin, { name }) => admin.deleteTopics({ topics: [name] }),
    create_partitions: async (admin, { topic, count }) => {
      await admin.createPartitions({ topicPartitions: [{ topic, count }] })
    },
    describe_configs: async (admin, { topic }) => {
      return Object.fromEntries((await entriesOf(admin, topic)).map(one => [one.configName, one.configValue]))
    },
    // It has only the old call, which sets all that the topic has: what is set already has to come along.
    alter_configs: async (admin, { topic, changed, deleted }) => {
      const kept = (await entriesOf(admin, topic)).filter(one => one.configSource === SET_ON_THE_TOPIC)
      const wanted = { ...Object.fromEntries(kept.map(one => [one.configName, one.configValue])), ...changed }
      for (const name of deleted) delete wanted[name]
      const configEntries = Object.entries(wanted).map(([name, value]) => ({ name, value }))
      await admin.alterConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }] })
    },
    delete_records: async (admin, { topic, partition, before }) => {
      // It knows the leaders of a topic only after it has asked for its offsets.
      await offsetsOf(admin, topic, partition)
      await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(before) }] })
      return (await offsetsOf(admin, topic, partition))[0]
    },
    offsets: (admin, { topic, partition }) => offsetsOf(admin, topic, partition),
    groups: async admin => (await admin.listGroups()).groups.map(one => one.groupId),
    describe_group: async (admin, { group }) => {
      const [found] = (await admin.describeGroups([group])).groups
      return [found.state.toLowerCase(), found.members.length]
    },
    delete_group: (admin, { group }) => admin.deleteGroups([group]),
    committed: async (admin, { group, topic }) => {
      const [found] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
      const there = found.partitions.filter(one => one.offset !== '-1')
      return Object.fromEntries(there.map(one => [one.partition, Number(one.offset)]))
    },
    commit_for: async (admin, { group, topic, offsets }) => {
      const partitions = Object.entries(offsets).map(([partition, offset]) => ({ partition: Number(partition), offset: String(offset) }))
      await admin.setOffsets({ groupId: group, topic, partitions })
    }
  }
  return Object.fromEntries(Object.entries(calls).map(([name, call]) => {
    return [name, async request => await withAdmin(admin => call(admin, request))]
  }))
}

await main(open)
