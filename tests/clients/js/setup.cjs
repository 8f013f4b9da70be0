// SetupAPI on an empty server: asks, sets it up once, and uses what it got.
'use strict'

const assert = require('node:assert/strict')
const {test} = require('node:test')
const {InfluxDB} = require('@influxdata/influxdb-client')
const {SetupAPI, WriteAPI} = require('@influxdata/influxdb-client-apis')
const {url, sql} = require('./support.cjs')

const setup = new SetupAPI(new InfluxDB({url}))

test('an empty server is set up once', async () => {
  assert.equal((await setup.getSetup()).allowed, true)
  const names = {username: 'admin', org: 'acme', bucket: 'metrics'}
  const wish = {...names, password: 'a-password', retentionPeriodSeconds: 86400}
  const made = await setup.postSetup({body: wish})
  assert.equal(made.user.name, 'admin')
  assert.equal(made.org.name, 'acme')
  assert.equal(made.bucket.name, 'metrics')
  assert.equal(made.bucket.orgID, made.org.id)
  assert.equal(made.bucket.retentionRules[0].everySeconds, 86400)
  assert.equal(made.auth.status, 'active')
  assert.ok(made.auth.token.length >= 16)
  assert.ok(made.auth.permissions.length > 10)
  assert.equal((await setup.getSetup()).allowed, false)
  await assert.rejects(setup.postSetup({body: wish}), {statusCode: 422, code: 'conflict'})

  const token = made.auth.token
  const write = new WriteAPI(new InfluxDB({url, token}))
  await write.postWrite({org: 'acme', bucket: 'metrics', body: 'm f=1'})
  assert.deepEqual(await sql('SELECT f FROM m', {db: 'metrics', as: token, organisation: 'acme'}), [{f: 1}])
})
