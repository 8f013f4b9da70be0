// `WriteApi` of `@influxdata/influxdb-client`: batches, gzip, retries, flush and close.
'use strict'

const assert = require('node:assert/strict')
const http = require('node:http')
const {test} = require('node:test')
const zlib = require('node:zlib')
const {InfluxDB, Point} = require('@influxdata/influxdb-client')
const {url, token, org, bucket, sql} = require('./support.cjs')

/**
 * A proxy in front of the server. `refuse` may answer a request itself, before the server sees it, or cut the
 * connection after the server has answered; `seen` are the requests that were passed on.
 */
async function withProxy(refuse, work) {
  const seen = []
  let requests = 0
  const proxy = http.createServer((request, response) => {
    const chunks = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', async () => {
      const body = Buffer.concat(chunks)
      const refusal = refuse(requests++)
      if (refusal && refusal.status) {
        response.writeHead(refusal.status, refusal.headers)
        response.end('{"code":"unavailable","message":"busy"}')
        return
      }
      const names = ['authorization', 'content-encoding', 'content-type'].filter(name => request.headers[name])
      const headers = Object.fromEntries(names.map(name => [name, request.headers[name]]))
      seen.push({headers: request.headers, body})
      const answer = await fetch(url + request.url, {method: request.method, headers, body})
      if (refusal && refusal.cut) {
        request.socket.destroy()
        return
      }
      response.writeHead(answer.status, {'content-type': 'application/json'})
      response.end(Buffer.from(await answer.arrayBuffer()))
    })
  })
  await new Promise(resolve => proxy.listen(0, '127.0.0.1', resolve))
  try {
    return await work(`http://127.0.0.1:${proxy.address().port}`, seen)
  } finally {
    await new Promise(resolve => {
      proxy.close(resolve)
      proxy.closeAllConnections()
    })
  }
}

/** A promise that is kept when so many lines are written, and the callback that counts them. */
function written(lines) {
  let count = 0
  let keep
  const done = new Promise(resolve => (keep = resolve))
  return {
    done,
    writeSuccess(these) {
      count += these.length
      if (count >= lines) keep()
    },
  }
}

// Short pauses, so that a retry does not hold the test up; the numbers of tries are the client's own.
const QUICK = {minRetryDelay: 1, maxRetryDelay: 20, retryJitter: 1}

test('points are batched, compressed and flushed', async () => {
  await withProxy(
    () => undefined,
    async (proxyURL, seen) => {
      const {done, writeSuccess} = written(250)
      const api = new InfluxDB({url: proxyURL, token}).getWriteApi(org, bucket, 'ms', {
        writeSuccess,
        batchSize: 100,
        gzipThreshold: 1,
        flushInterval: 0,
        defaultTags: {origin: 'js'},
      })
      for (let number = 0; number < 250; number++) {
        const point = new Point('batched').tag('host', `h ${number % 3}`).floatField('f', number / 2)
        point.intField('i', number).uintField('u', number).stringField('s', `"${number}"`)
        api.writePoint(point.timestamp(number))
      }
      await api.flush()
      // A flush waits for the last batch only; the full ones before it may still be on their way.
      await done
      assert.equal(seen.length, 3)
      for (const {headers, body} of seen) {
        assert.equal(headers['content-encoding'], 'gzip')
        assert.match(zlib.gunzipSync(body).toString(), /^batched,host=h\\ \d,origin=js f=/)
      }
      assert.deepEqual(await sql('SELECT count(*) AS n, sum(f) AS f, sum(i) AS i, sum(u) AS u FROM batched'), [
        {n: 250, f: 15562.5, i: 31125, u: 31125},
      ])
      const columns = 'host, origin, s, CAST(time AS BIGINT) AS at'
      const [last] = await sql(`SELECT ${columns} FROM batched ORDER BY time DESC LIMIT 1`)
      assert.deepEqual(last, {host: 'h 0', origin: 'js', s: '"249"', at: 249e6})
      await api.close()
    }
  )
})

test('a busy server is asked again, and nothing is stored twice', async () => {
  const failures = []
  const refuse = number =>
    number === 0 ? {status: 503, headers: {'retry-after': '0'}} : number === 1 ? {status: 429} : undefined
  await withProxy(refuse, async (proxyURL, seen) => {
    const {done, writeSuccess} = written(2)
    const api = new InfluxDB({url: proxyURL, token}).getWriteApi(org, bucket, 'ns', {
      ...QUICK,
      flushInterval: 0,
      writeSuccess,
      writeFailed(error, lines, attempt) {
        failures.push([error.statusCode, lines.length, attempt])
      },
    })
    api.writeRecords(['busy f=1 1', 'busy f=2 2'])
    // The flush tells of the first failure; the retry goes on behind it.
    await assert.rejects(api.flush(), {statusCode: 503})
    await done
    await api.close()
    assert.deepEqual(failures, [[503, 2, 1], [429, 2, 2]])
    assert.equal(seen.length, 1)
  })
  assert.deepEqual(await sql('SELECT count(*) AS n, sum(f) AS f FROM busy'), [{n: 2, f: 3}])
})

test('a broken connection after the write leads to one copy', async () => {
  await withProxy(
    number => (number === 0 ? {cut: true} : undefined),
    async (proxyURL, seen) => {
      const {done, writeSuccess} = written(1)
      const options = {...QUICK, flushInterval: 0, writeSuccess}
      const api = new InfluxDB({url: proxyURL, token}).getWriteApi(org, bucket, 'ns', options)
      api.writePoint(new Point('cut').floatField('f', 1))
      await assert.rejects(api.flush(), {code: 'ECONNRESET'})
      await done
      await api.close()
      assert.equal(seen.length, 2)
    }
  )
  assert.deepEqual(await sql('SELECT count(*) AS n FROM cut'), [{n: 1}])
})

test('a batch that cannot be stored is reported and not tried again', async () => {
  const failures = []
  const api = new InfluxDB({url, token}).getWriteApi(org, bucket, 'ns', {
    ...QUICK,
    flushInterval: 0,
    writeFailed(error, lines, attempt) {
      failures.push([error.statusCode, error.code, lines.length, attempt])
    },
  })
  api.writeRecords(['wrong f=1 1', 'wrong f='])
  await assert.rejects(api.flush(), {statusCode: 400})
  await api.close()
  assert.deepEqual(failures, [[400, 'invalid', 2, 1]])
  await assert.rejects(sql('SELECT * FROM wrong'), /wrong/)
})

test('close sends what is left', async () => {
  const api = new InfluxDB({url, token}).getWriteApi(org, bucket)
  api.useDefaultTags({place: 'here'})
  api.writePoint(new Point('closing').booleanField('b', true))
  await api.close()
  assert.deepEqual(await sql('SELECT place, b FROM closing'), [{place: 'here', b: true}])
})
