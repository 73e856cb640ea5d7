'use strict'
// Keeps notes in Postgres, with the driver pg and its pool. ../README.md says what it answers.

const http = require('http')
const { setTimeout: sleep } = require('timers/promises')
const { Pool, DatabaseError } = require('pg')

const DEADLINE = 10_000

const pool = new Pool({
  connectionString: process.env.DATABASE_URL,
  max: 4,
  idleTimeoutMillis: 600_000,
  // Both are without a limit otherwise; shorter than the deadline, to leave time for a second try.
  connectionTimeoutMillis: 3_000,
  query_timeout: 5_000
})
pool.on('connect', client => console.log(`connected: the server's process ${client.processID}`))
// An idle connection was lost. The pool replaces it; without this handler the process would end.
pool.on('error', error => console.log(`lost a connection: ${error.message}`))

// What does not come from the server is about the connection: its socket, or waiting for one. Of
// what the server or a proxy says, that are the classes "connection exception" and "shutdown", and
// "too many connections".
const isLost = error => !(error instanceof DatabaseError) || /^(08|57P|53300)/.test(error.code)

async function retry (work, mayGoOn) {
  for (let pause = 100; ; pause = Math.min(2 * pause, 1_000)) {
    try {
      return await work()
    } catch (error) {
      if (!mayGoOn(error)) throw error
      console.log(`lost a connection, or got none: ${error.message}`)
      await sleep(pause)
    }
  }
}

// On another connection when one was lost: whatever runs by this has to bear being run twice.
function query (text, values) {
  const end = Date.now() + DEADLINE
  return retry(() => pool.query(text, values), error => isLost(error) && Date.now() < end)
}

let migrated = false

async function migrate () {
  // Several statements in one string are one transaction, at whose end the lock is released. Without
  // it two pods that start together could both find no table. Goes on after every error: the
  // database itself may still be being made.
  await retry(() => pool.query(`
    select pg_advisory_xact_lock(hashtext('notes'));
    create table if not exists notes (id bigserial primary key, text text not null)`), () => true)
  migrated = true
  console.log('migrated')
}

async function row (text, values) {
  return (await query(text, values)).rows[0]
}

const routes = {
  'GET /notes': async () => {
    const { rows } = await query('select text from notes order by id')
    return rows.map(row => row.text)
  },
  'POST /notes': async request => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    // The number first: when the answer to the insert is lost, nobody knows whether it happened, and
    // by its number it can be repeated without a second note.
    const { id } = await row("select nextval('notes_id_seq') as id")
    await query('insert into notes (id, text) values ($1, $2) on conflict (id) do nothing', [id, Buffer.concat(chunks)])
    return id
  },
  'GET /select1': async () => (await row('select 1 as one')).one,
  'GET /whoami': () => row('select current_user as user, session_user, current_database() as database'),
  'GET /pid': async () => (await row('select pg_backend_pid() as pid')).pid
}

async function answer (request) {
  const key = `${request.method} ${request.url.split('?')[0]}`
  if (key === 'GET /health' && migrated) return [200, 'ok']
  if (!migrated) return [503, 'not migrated yet']
  if (!routes[key]) return [404, 'not found']
  try {
    return [request.method === 'POST' ? 201 : 200, await routes[key](request)]
  } catch (error) {
    console.log(`${key}: ${error.message}`)
    return [isLost(error) ? 503 : /^22/.test(error.code) ? 400 : 500, error.message]
  }
}

const server = http.createServer(async (request, response) => {
  const [status, body] = await answer(request)
  const isJson = typeof body === 'object'
  response.writeHead(status, {
    'content-type': isJson ? 'application/json' : 'text/plain; charset=utf-8',
    // The ingress must not begin a request on a connection that SIGTERM is about to close.
    connection: 'close'
  })
  response.end(isJson ? JSON.stringify(body) : String(body))
})

process.on('SIGTERM', () => {
  console.log('SIGTERM')
  server.close(async () => {
    await pool.end()
    console.log('ended')
    process.exit(0) // a migration may still be waiting for its next try
  })
  server.closeIdleConnections()
})

server.listen(process.env.PORT || 3000)
migrate()
