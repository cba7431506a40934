// The driver of @confluentinc/kafka-javascript: librdkafka's own producer and consumer, and the admin that looks like KafkaJS's.

import { promisify } from 'node:util'
import confluent from '@confluentinc/kafka-javascript'
import { main } from './driver.mjs'

const { AdminClient, KafkaConsumer, KafkaJS, Producer } = confluent

const CALL_MS = 60_000
const LOOK_UP_MS = 10_000
const POLL_MS = 20
const BATCH_RECORDS_MAX = 500
const OFFSET_BEGINNING = -2
const OFFSET_END = -1
const QUEUE_FULL = -184

const connected = client => promisify(client.connect.bind(client))({ timeout: LOOK_UP_MS }).then(() => client)

function recordOf (message) {
  const headers = (message.headers ?? []).flatMap(one => Object.entries(one))
  const { partition, offset, timestamp, key, value } = message
  return { partition, offset, timestampMs: timestamp, key, value, headers }
}

function reading (consumer) {
  const consume = promisify(consumer.consume.bind(consumer))
  return {
    assigned: () => consumer.assignments().map(one => one.partition),
    poll: async timeoutMs => {
      consumer.setDefaultConsumeTimeout(timeoutMs)
      return (await consume(BATCH_RECORDS_MAX)).map(recordOf)
    },
    commit: () => {
      try {
        consumer.commitSync()
      } catch (error) {
        // A rebalance has come in between, or there is nothing new; records come again to whoever has them now.
        console.error(error.message)
      }
    },
    close: () => promisify(consumer.disconnect.bind(consumer))()
  }
}

function open (bootstrap) {
  const base = { 'bootstrap.servers': bootstrap }

  async function consumer (settings) {
    const made = new KafkaConsumer(
      { ...base, 'enable.auto.commit': false, 'fetch.wait.max.ms': 250, ...settings }, { 'auto.offset.reset': 'earliest' }
    )
    made.setDefaultConsumeLoopTimeoutDelay(POLL_MS)
    return connected(made)
  }

  async function withAdmin (call) {
    const admin = new KafkaJS.Kafka({ kafkaJS: { brokers: [bootstrap] } }).admin()
    await admin.connect()
    try {
      return await call(admin)
    } finally {
      await admin.disconnect()
    }
  }

  return {
    async producer ({ acks, codec, idempotent }) {
      const producer = await connected(new Producer({
        ...base,
        acks: acks === 'all' ? -1 : Number(acks),
        'compression.type': codec,
        'message.max.bytes': 2_000_000,
        'max.in.flight.requests.per.connection': idempotent ? 5 : 1,
        'enable.idempotence': idempotent,
        dr_cb: true
      }))
      let failed = null
      producer.on('delivery-report', error => { failed ??= error })
      producer.setPollInterval(POLL_MS)
      const flush = promisify(producer.flush.bind(producer))
      const send = ({ topic, partition, value, key, timestampMs, headers }) => {
        const named = headers.map(([name, content]) => ({ [name]: content }))
        producer.produce(topic, partition, value, key, timestampMs ?? undefined, null, named)
      }
      return {
        send: record => {
          try {
            send(record)
          } catch (error) {
            // A full queue would be waited for; no story fills it.
            failed ??= error.code === QUEUE_FULL ? new Error('the queue is full') : error
          }
        },
        flush: async () => {
          await flush(CALL_MS)
          producer.poll()
          const before = failed
          failed = null
          if (before) throw before
        },
        close: () => promisify(producer.disconnect.bind(producer))()
      }
    },

    async reader ({ topic, partitions, at, value }) {
      const made = await consumer({ 'group.id': 'none' })
      const given = { begin: OFFSET_BEGINNING, end: OFFSET_END }[at] ?? value
      let assigned = partitions.map(partition => ({ topic, partition, offset: given }))
      if (at === 'time') assigned = await promisify(made.offsetsForTimes.bind(made))(assigned, LOOK_UP_MS)
      made.assign(assigned)
      return reading(made)
    },

    async member (group, topic) {
      const made = await consumer({ 'group.id': group, 'session.timeout.ms': 6_000, 'heartbeat.interval.ms': 500 })
      made.subscribe([topic])
      return reading(made)
    },

    topics: () => withAdmin(admin => admin.listTopics()),

    createTopic: (topic, numPartitions) => withAdmin(async admin => {
      await admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1 }] })
    }),

    calls: calls(base, withAdmin)
  }
}

function calls (base, withAdmin) {
  const offsetsOf = async (admin, topic, partition) => {
    const found = (await admin.fetchTopicOffsets(topic)).find(one => one.partition === partition)
    return [Number(found.low), Number(found.high)]
  }
  const stateNames = Object.fromEntries(Object.entries(KafkaJS.ConsumerGroupStates).map(([name, number]) => [number, name]))
  const calls = {
    delete_topic: (admin, { name }) => admin.deleteTopics({ topics: [name] }),
    delete_records: async (admin, { topic, partition, before }) => {
      const [done] = await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(before) }] })
      if (done.error) throw done.error
      return Number(done.lowWatermark)
    },
    offsets: (admin, { topic, partition }) => offsetsOf(admin, topic, partition),
    groups: async admin => (await admin.listGroups()).groups.map(one => one.groupId),
    describe_group: async (admin, { group }) => {
      const [found] = (await admin.describeGroups([group])).groups
      return [stateNames[found.state].toLowerCase().replaceAll('_', ''), found.members.length]
    },
    delete_group: async (admin, { group }) => { await admin.deleteGroups([group]) },
    committed: async (admin, { group, topic }) => {
      const [found] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
      const there = found.partitions.filter(one => Number(one.offset) >= 0)
      return Object.fromEntries(there.map(one => [one.partition, Number(one.offset)]))
    }
  }
  return {
    ...Object.fromEntries(Object.entries(calls).map(([name, call]) => {
      return [name, async request => await withAdmin(admin => call(admin, request))]
    })),
    nodes: async () => {
      const client = await connected(new Producer(base))
      const { brokers } = await promisify(client.getMetadata.bind(client))({ timeout: LOOK_UP_MS })
      await promisify(client.disconnect.bind(client))()
      return brokers.map(one => `${one.host}:${one.port}`)
    },
    create_partitions: async ({ topic, count }) => {
      const client = AdminClient.create(base)
      await promisify(client.createPartitions.bind(client))(topic, count, LOOK_UP_MS)
      client.disconnect()
    }
  }
}

await main(open)
