// A driver's half of the conversation that ../driver.py describes, for every client in JavaScript.
//
// A client gives an object with `producer`, `reader`, `member`, `topics`, `create_topic` and the calls of port.Admin that it
// has; the lines of JSON are here. It knows no Kafka library.

import { Console } from 'node:console'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

// Standard output is for answers alone, whatever a library logs.
globalThis.console = new Console(process.stderr)

const BATCH_BYTES_MAX = 512 * 1024
const BATCH_RECORDS_MAX = 200
const LINGER_MS = 2

/** Gathers records into batches, and dispatches one batch at a time: for libraries that batch nothing themselves. */
export class Outbox {
  #gathered = []
  #dispatch
  #failed = null
  #running = null

  constructor (dispatch) {
    this.#dispatch = dispatch
  }

  add (record) {
    this.#gathered.push(record)
    this.#running ??= this.#run()
  }

  /** Resolves when all is delivered. Throws the first failure. */
  async flush () {
    await this.#running
    const failed = this.#failed
    this.#failed = null
    if (failed) throw failed
  }

  async #run () {
    await new Promise(resolve => setTimeout(resolve, LINGER_MS))
    while (this.#gathered.length) {
      try {
        await this.#dispatch(this.#next())
      } catch (error) {
        this.#failed ??= error
      }
    }
    this.#running = null
  }

  #next () {
    let bytes = 0
    let count = 0
    for (const record of this.#gathered) {
      bytes += record.value.length
      if (count && (bytes > BATCH_BYTES_MAX || count === BATCH_RECORDS_MAX)) break
      count += 1
    }
    return this.#gathered.splice(0, count)
  }
}

/** Keeps what a library pushes until it is asked for. */
export class Inbox {
  #came = []
  #offers = []
  #failed = null
  #wake = () => {}

  put (record) {
    this.#came.push(record)
    this.#wake()
  }

  /** Resolves to whether they were taken; not, when the inbox is cleared before. */
  offer (records) {
    for (const record of records) this.put(record)
    return new Promise(resolve => this.#offers.push(resolve))
  }

  fail (error) {
    this.#failed = error
    this.#wake()
  }

  clear () {
    this.#came = []
    this.#settle(false)
  }

  #settle (taken) {
    for (const resolve of this.#offers.splice(0)) resolve(taken)
  }

  /** What there is, after at most `timeoutMs`. */
  async take (timeoutMs) {
    if (!this.#came.length && !this.#failed) {
      await new Promise(resolve => {
        const timer = setTimeout(resolve, timeoutMs)
        this.#wake = () => { clearTimeout(timer); resolve() }
      })
      this.#wake = () => {}
    }
    if (this.#failed) throw this.#failed
    this.#settle(true)
    return this.#came.splice(0)
  }
}

const encoded = bytes => bytes === null || bytes === undefined ? null : Buffer.from(bytes).toString('base64')
const decoded = text => text === null ? null : Buffer.from(text, 'base64')

function recordFrom (request) {
  return {
    topic: request.topic,
    partition: request.partition,
    key: decoded(request.key),
    value: decoded(request.value),
    headers: request.headers.map(([name, value]) => [name, decoded(value)]),
    timestampMs: request.timestamp_ms
  }
}

function lineOf (record) {
  return {
    partition: record.partition,
    offset: Number(record.offset),
    timestamp_ms: Number(record.timestampMs),
    key: encoded(record.key),
    value: encoded(record.value),
    headers: record.headers.map(([name, value]) => [String(name), encoded(value)])
  }
}

const ROLES = {
  async producer (client, settings) {
    const producer = await client.producer(settings)
    return {
      send: request => { producer.send(recordFrom(request)) },
      flush: async () => { await producer.flush(); return {} },
      close: () => producer.close()
    }
  },
  async reader (client, start) {
    return reading(await client.reader(start))
  },
  async member (client, { group, topic }) {
    const member = await client.member(group, topic)
    return {
      ...reading(member),
      assigned: () => ({ partitions: member.assigned() }),
      commit: async () => { await member.commit(); return {} }
    }
  },
  async admin (client) {
    const calls = { close: async () => { await client.close?.(); return {} } }
    for (const [name, call] of Object.entries(client.calls)) {
      calls[name] = async request => ({ result: await call(request) ?? null })
    }
    return {
      ...calls,
      topics: async () => ({ topics: await client.topics() }),
      create_topic: async request => { await client.createTopic(request.name, request.partitions); return {} }
    }
  }
}

function reading (reader) {
  return {
    poll: async request => ({ records: (await reader.poll(request.timeout_ms)).map(lineOf) }),
    close: () => reader.close()
  }
}

async function answerTo (client, role, request) {
  try {
    if (!role) return [await ROLES[request.do](client, request), {}]
    if (!role[request.do]) throw new Error(`the client has no call ${request.do}`)
    const answer = await role[request.do](request)
    return [role, request.do === 'close' ? {} : answer]
  } catch (error) {
    return [role, { error: `${error.name}: ${error.message}${error.cause ? `: ${error.cause.message}` : ''}` }]
  }
}

/** Speak with the harness until it closes the driver, or goes away. `open` makes the client for a bootstrap address. */
export async function main (open) {
  const client = open(process.argv[2])
  let role = null
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const request = JSON.parse(line)
    let answer
    [role, answer] = await answerTo(client, role, request)
    // Only a send is not answered.
    if (answer !== undefined && !process.stdout.write(JSON.stringify(answer) + '\n')) await once(process.stdout, 'drain')
    if (request.do === 'close') process.exit(0)
  }
  process.exit(1)
}
