// `@influxdata/influxdb3-client`: writes, and queries by Flight, as rows and as points.
'use strict'

const assert = require('node:assert/strict')
const {after, test} = require('node:test')
const {InfluxDBClient, Point} = require('@influxdata/influxdb3-client')
const {url, token, org, bucket} = require('./support.cjs')

const client = new InfluxDBClient({host: url, token, database: bucket})
after(() => client.close())

async function rows(query, database, options) {
  const rows = []
  for await (const row of client.query(query, database, options)) rows.push(row)
  return rows
}

test('points are written and read', async () => {
  const point = n =>
    Point.measurement('cpu').setTag('host', `h${n % 2}`).setFloatField('usage', n / 2).setIntegerField('n', n)
      .setBooleanField('on', n > 5).setStringField('note', 'a "b"').setTimestamp(new Date(1767225600000 + n * 1000))
  const points = Array.from({length: 10}, (_, n) => point(n))
  // By the endpoint of InfluxDB 2, which wants to know the organisation, and by that of InfluxDB 3.
  await client.write(points.slice(0, 5), bucket, org)
  await client.write(points.slice(5), bucket, undefined, {noSync: true})
  const found = await rows('SELECT time, host, usage, n, "on", note FROM cpu ORDER BY time DESC LIMIT 1')
  assert.equal(found.length, 1)
  assert.equal(Number(found[0].n), 9)
  assert.deepEqual([found[0].host, found[0].usage, found[0].on, found[0].note], ['h1', 4.5, true, 'a "b"'])
  assert.equal(new Date(found[0].time).toISOString(), '2026-01-01T00:00:09.000Z')
})

test('points know tags from fields', async () => {
  const points = []
  for await (const point of client.queryPoints('SELECT * FROM cpu ORDER BY time LIMIT 2')) points.push(point)
  assert.deepEqual(points.map(point => point.getTag('host')), ['h0', 'h1'])
  assert.deepEqual(points.map(point => point.getFloatField('usage')), [0, 0.5])
  assert.deepEqual(points[0].getTagNames(), ['host'])
  assert.deepEqual(points[0].getFieldNames().sort(), ['n', 'note', 'on', 'usage'])
})

test('a database is made by the first write', async () => {
  await client.write('m f=1 1', 'made-by-js', undefined, {noSync: true})
  assert.deepEqual(await rows('SELECT f FROM m', 'made-by-js'), [{f: 1}])
})

test('InfluxQL and parameters', async () => {
  const influxql = await rows('SELECT count(usage) FROM cpu', bucket, {type: 'influxql'})
  assert.deepEqual(influxql.map(row => [row['iox::measurement'], Number(row.count)]), [['cpu', 10]])
  const params = {host: 'h1', least: 3}
  const counted = await rows('SELECT count(*) AS c FROM cpu WHERE host = $host AND n > $least', bucket, {params})
  assert.equal(Number(counted[0].c), 3)
})

test('errors', async () => {
  await assert.rejects(rows('SELECT * FROM absent'), /absent/)
  await assert.rejects(rows('SELECT 1', 'absent'), /database not found: absent/)
  const broken = client.write('m f=', bucket, undefined, {noSync: true})
  await assert.rejects(broken, error => error.statusCode === 400 && /line 1: missing field value/.test(error.message))
  assert.match(await client.getServerVersion(), /^v2/)
})
