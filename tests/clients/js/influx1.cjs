// `influx`, the JavaScript client of InfluxDB 1.x: databases, points, queries, users, continuous queries. Its user has
// any name; its password is the token.
'use strict'

const assert = require('node:assert/strict')
const {test} = require('node:test')
const Influx = require('influx')
const {url, token} = require('./support.cjs')

const {hostname, port} = new URL(url)

function connect(username = 'anybody', password = token) {
  return new Influx.InfluxDB({
    host: hostname,
    port: Number(port),
    database: 'js1',
    username,
    password,
    schema: [
      {
        measurement: 'cpu',
        fields: {usage: Influx.FieldType.FLOAT, cores: Influx.FieldType.INTEGER, note: Influx.FieldType.STRING},
        tags: ['host'],
      },
    ],
  })
}

const influx = connect()

test('ping', async () => {
  const [host] = await influx.ping(5000)
  assert.ok(host.online)
})

test('databases and retention policies', async () => {
  await influx.createDatabase('js1')
  await influx.createDatabase('js1')
  assert.ok((await influx.getDatabaseNames()).includes('js1'))
  await influx.createRetentionPolicy('week', {database: 'js1', duration: '7d', replication: 1, isDefault: false})
  const policies = await influx.showRetentionPolicies('js1')
  assert.deepEqual(policies.map(policy => [policy.name, policy.default]), [['autogen', true], ['week', false]])
})

test('points and queries', async () => {
  const point = (host, minute) => ({
    measurement: 'cpu',
    tags: {host},
    fields: {usage: minute + 0.5, cores: 4, note: 'a "b", c'},
    timestamp: new Date(Date.UTC(2026, 3, 1, 0, minute)),
  })
  await influx.writePoints(['a', 'b'].flatMap(host => [0, 1, 2].map(minute => point(host, minute))))
  const rows = await influx.query(`SELECT * FROM cpu WHERE host = ${Influx.escape.stringLit('a')} ORDER BY time DESC`)
  assert.equal(rows.length, 3)
  assert.equal(rows[0].time.toISOString(), '2026-04-01T00:02:00.000Z')
  assert.deepEqual([rows[0].usage, rows[0].cores, rows[0].note, rows[0].host], [2.5, 4, 'a "b", c', 'a'])
  const means = await influx.query('SELECT mean(usage) FROM cpu GROUP BY host')
  assert.deepEqual(means.groups().map(group => [group.tags.host, group.rows[0].mean]), [['a', 1.5], ['b', 1.5]])
  assert.deepEqual(await influx.getMeasurements(), ['cpu'])
  assert.deepEqual(await influx.getSeries(), ['cpu,host=a', 'cpu,host=b'])
  const bound = await influx.query('SELECT usage FROM cpu WHERE host = $host', {placeholders: {host: 'b'}})
  assert.equal(bound.length, 3)
})

test('users', async () => {
  await influx.createUser('ada', 'secret')
  assert.ok((await influx.getUsers()).some(user => user.user === 'ada' && user.admin === false))
  await influx.grantPrivilege('ada', 'READ', 'js1')
  const ada = connect('ada', 'secret')
  assert.equal((await ada.query('SELECT usage FROM cpu')).length, 6)
  await assert.rejects(ada.dropMeasurement('cpu', 'js1'), /insufficient permissions/)
  await assert.rejects(connect('ada', 'wrong').getDatabaseNames(), /unauthorized/)
  await influx.revokePrivilege('ada', 'READ', 'js1')
  await assert.rejects(ada.query('SELECT usage FROM cpu'), /insufficient permissions/)
  await influx.dropUser('ada')
})

test('continuous queries', async () => {
  await influx.createContinuousQuery('down', 'SELECT mean(usage) INTO down FROM cpu GROUP BY time(1h)', 'js1')
  const queries = await influx.showContinousQueries('js1')
  assert.equal(queries.filter(query => query.name === 'down').length, 1, JSON.stringify(queries))
  await influx.dropContinuousQuery('down', 'js1')
})

test('errors', async () => {
  await assert.rejects(influx.query('SELEC'), /error parsing query/)
  await assert.rejects(influx.query('SELECT foo(usage) FROM cpu'), /undefined function foo\(\)/)
  await influx.dropDatabase('js1')
})
