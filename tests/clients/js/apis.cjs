// The generated APIs of `@influxdata/influxdb-client-apis`: WriteAPI.postWrite above all.
'use strict'

const assert = require('node:assert/strict')
const {test} = require('node:test')
const {InfluxDB} = require('@influxdata/influxdb-client')
const {
  AuthorizationsAPI,
  BucketsAPI,
  HealthAPI,
  OrgsAPI,
  PingAPI,
  ReadyAPI,
  SetupAPI,
  WriteAPI,
} = require('@influxdata/influxdb-client-apis')
const {url, token, org, bucket, sql} = require('./support.cjs')

const influxDB = new InfluxDB({url, token})
const write = new WriteAPI(influxDB)
const buckets = new BucketsAPI(influxDB)
const orgs = new OrgsAPI(influxDB)
const authorizations = new AuthorizationsAPI(influxDB)

async function orgID() {
  return (await orgs.getOrgs({org})).orgs[0].id
}

test('postWrite stores points, with every precision', async () => {
  for (const [precision, unit] of [['ns', 1], ['us', 1e3], ['ms', 1e6], ['s', 1e9], [undefined, 1]]) {
    const measurement = `precision_${precision}`
    await write.postWrite({org, bucket, precision, body: `${measurement},t=a f=1.5,i=2i,b=true,s="x y" 7`})
    const rows = await sql(`SELECT t, f, i, b, s, CAST(time AS BIGINT) AS at FROM ${measurement}`)
    assert.deepEqual(rows, [{t: 'a', f: 1.5, i: 2, b: true, s: 'x y', at: 7 * unit}])
  }
})

test('postWrite takes org and orgID, by name and by id', async () => {
  const id = await orgID()
  const bucketID = (await buckets.getBuckets({name: bucket})).buckets[0].id
  for (const [number, target] of [{org}, {org: id}, {orgID: id}, {org, orgID: id}].entries()) {
    await write.postWrite({...target, bucket, body: `targets f=${number} ${2 * number}`})
    await write.postWrite({...target, bucket: bucketID, body: `targets f=${number} ${2 * number + 1}`})
  }
  assert.deepEqual(await sql('SELECT count(*) AS n FROM targets'), [{n: 8}])
})

test('postWrite rejects with status, code and message', async () => {
  const other = await orgs.postOrgs({body: {name: 'other'}})
  const good = {org, bucket, body: 'm f=1'}
  for (const [change, statusCode, code, message] of [
    [{body: 'm f='}, 400, 'invalid', /unable to parse/],
    [{precision: 'm'}, 400, 'invalid', /^invalid precision; valid precision units are ns, us, ms, and s$/],
    [{org: undefined}, 400, 'invalid', /^Please provide either orgID or org$/],
    [{orgID: other.id}, 400, 'invalid', /organi[sz]ation/],
    [{orgID: 'none'}, 400, 'invalid', /^id must have a length of 16 bytes$/],
    [{orgID: '0000000000000001'}, 404, 'not found', /organization/],
    [{org: 'absent'}, 404, 'not found', /^organization name "absent" not found$/],
    [{bucket: 'absent'}, 404, 'not found', /^bucket "absent" not found$/],
    [{bucket: undefined}, 404, 'not found', /^bucket not found$/],
  ]) {
    const error = await write.postWrite({...good, ...change}).then(
      () => assert.fail(JSON.stringify(change)),
      error => error
    )
    assert.equal(error.statusCode, statusCode, JSON.stringify(change))
    assert.equal(error.code, code)
    assert.match(error.json.message, message)
    assert.equal(error.headers['x-platform-error-code'], code)
  }
  const stranger = new WriteAPI(new InfluxDB({url, token: 'nobody'}))
  await assert.rejects(stranger.postWrite(good), {statusCode: 401, code: 'unauthorized'})
  await orgs.deleteOrgsID({orgID: other.id})
})

test('postWrite of points that do not fit is partial', async () => {
  await write.postWrite({org, bucket, body: 'partial f=1 1'})
  await assert.rejects(write.postWrite({org, bucket, body: 'partial f="text" 2\npartial f=3 3'}), error => {
    assert.equal(error.statusCode, 422)
    assert.equal(error.code, 'unprocessable entity')
    assert.match(error.json.message, /partial write: .*dropped=1/)
    return true
  })
  assert.deepEqual(await sql('SELECT f FROM partial ORDER BY time'), [{f: 1}, {f: 3}])
})

test('buckets are made, found, changed and deleted', async () => {
  const retentionRules = [{type: 'expire', everySeconds: 3600}]
  const id = await orgID()
  const made = await buckets.postBuckets({body: {name: 'b1', orgID: id, description: 'first', retentionRules}})
  assert.equal(made.retentionRules[0].everySeconds, 3600)
  assert.equal((await buckets.getBucketsID({bucketID: made.id})).description, 'first')
  assert.equal((await buckets.getBuckets({name: 'b1'})).buckets[0].id, made.id)
  assert.equal((await buckets.getBuckets({id: made.id})).buckets[0].name, 'b1')
  const changed = await buckets.patchBucketsID({bucketID: made.id, body: {name: 'b2', description: 'second'}})
  assert.equal(changed.name, 'b2')
  assert.equal(changed.description, 'second')
  assert.equal(changed.retentionRules[0].everySeconds, 3600)
  await assert.rejects(buckets.postBuckets({body: {name: 'b2', orgID: id}}), {statusCode: 422, code: 'conflict'})
  await write.postWrite({org, bucket: 'b2', body: 'm f=1'})
  await assert.rejects(write.postWrite({org, bucket: 'b2', body: 'm f=1 1'}), {statusCode: 422})
  await buckets.deleteBucketsID({bucketID: made.id})
  await assert.rejects(buckets.getBucketsID({bucketID: made.id}), {statusCode: 404, code: 'not found'})
  await assert.rejects(write.postWrite({org, bucket: 'b2', body: 'm f=1'}), {statusCode: 404})
})

test('buckets come in pages', async () => {
  const id = await orgID()
  const names = Array.from({length: 25}, (_, number) => `page-${String(number).padStart(2, '0')}`)
  for (const name of names) await buckets.postBuckets({body: {name, orgID: id}})
  const found = []
  for (let offset = 0; ; offset += 10) {
    const page = (await buckets.getBuckets({org, limit: 10, offset})).buckets
    found.push(...page.map(each => each.name))
    if (page.length < 10) break
  }
  assert.equal(new Set(found).size, found.length)
  for (const name of names) assert.ok(found.includes(name), name)
  const first = (await buckets.getBuckets({org, limit: 1})).buckets[0]
  const after = (await buckets.getBuckets({org, after: first.id, limit: 100})).buckets
  assert.ok(after.length > 24 && !after.some(each => each.id === first.id))
})

test('organisations are made, found, changed and deleted', async () => {
  const made = await orgs.postOrgs({body: {name: 'o1', description: 'first'}})
  assert.equal((await orgs.getOrgs({org: 'o1'})).orgs[0].id, made.id)
  assert.equal((await orgs.getOrgs({orgID: made.id})).orgs[0].name, 'o1')
  assert.equal((await orgs.patchOrgsID({orgID: made.id, body: {name: 'o2'}})).name, 'o2')
  assert.equal((await orgs.getOrgsID({orgID: made.id})).description, 'first')
  assert.ok((await orgs.getOrgsIDOwners({orgID: made.id})).users.length >= 0)
  await orgs.deleteOrgsID({orgID: made.id})
  await assert.rejects(orgs.getOrgsID({orgID: made.id}), {statusCode: 404, code: 'not found'})
})

test('a token of its own writes where it may, and not when it is inactive or gone', async () => {
  const id = await orgID()
  const mine = await buckets.postBuckets({body: {name: 'mine', orgID: id}})
  const made = await authorizations.postAuthorizations({
    body: {
      orgID: id,
      description: 'writes one bucket',
      permissions: [{action: 'write', resource: {type: 'buckets', id: mine.id, orgID: id}}],
    },
  })
  const limited = new WriteAPI(new InfluxDB({url, token: made.token}))
  const body = 'm f=1'
  await limited.postWrite({org, bucket: 'mine', body})
  await assert.rejects(limited.postWrite({org, bucket, body}), {statusCode: 403, code: 'forbidden'})
  const listed = (await authorizations.getAuthorizations({orgID: id})).authorizations
  assert.ok(listed.some(each => each.id === made.id))
  assert.equal((await authorizations.getAuthorizationsID({authID: made.id})).description, 'writes one bucket')

  const {status} = await authorizations.patchAuthorizationsID({authID: made.id, body: {status: 'inactive'}})
  assert.equal(status, 'inactive')
  await assert.rejects(limited.postWrite({org, bucket: 'mine', body}), {
    statusCode: 403,
    message: /insufficient permissions for write/,
  })
  await authorizations.patchAuthorizationsID({authID: made.id, body: {status: 'active'}})
  await limited.postWrite({org, bucket: 'mine', body})
  await authorizations.deleteAuthorizationsID({authID: made.id})
  await assert.rejects(limited.postWrite({org, bucket: 'mine', body}), {statusCode: 401, code: 'unauthorized'})
})

test('health, ping, ready and setup need no token', async () => {
  const nobody = new InfluxDB({url})
  const health = await new HealthAPI(nobody).getHealth()
  assert.equal(health.status, 'pass')
  assert.equal(health.name, 'influxdb')
  assert.match(health.version, /^v2\./)
  let version
  await new PingAPI(nobody).getPing(undefined, {
    responseStarted(headers, statusCode) {
      assert.equal(statusCode, 204)
      version = headers['x-influxdb-version']
    },
  })
  assert.match(version, /^v2\./)
  const ready = await new ReadyAPI(nobody).getReady()
  assert.equal(ready.status, 'ready')
  assert.ok(Date.parse(ready.started) > 0)
  assert.equal((await new SetupAPI(nobody).getSetup()).allowed, false)
})
