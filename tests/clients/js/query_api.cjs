// `QueryApi` of `@influxdata/influxdb-client` and `QueryAPI` of `@influxdata/influxdb-client-apis`: rows, lines, raw
// answers, templates with values, and errors.
'use strict'

const assert = require('node:assert/strict')
const {before, test} = require('node:test')
const {InfluxDB, Point, flux, fluxDateTime, fluxDuration} = require('@influxdata/influxdb-client')
const {QueryAPI} = require('@influxdata/influxdb-client-apis')
const {url, token, org, bucket} = require('./support.cjs')

const client = new InfluxDB({url, token})
const api = client.getQueryApi(org)
const start = fluxDateTime('2026-01-01T00:00:00Z')
const stop = fluxDateTime('2026-01-01T01:00:00Z')

before(async () => {
  const writer = client.getWriteApi(org, bucket, 's')
  const time = Date.parse('2026-01-01T00:00:00Z') / 1000
  for (let n = 0; n < 60; n++) {
    writer.writePoint(
      new Point('cpu')
        .tag('host', `h${n % 2}`)
        .floatField('usage', n / 2)
        .stringField('note', 'a, "b"')
        .timestamp(time + n)
    )
  }
  await writer.close()
})

test('rows as objects', async () => {
  const query = flux`from(bucket: ${bucket})
    |> range(start: ${start}, stop: ${stop})
    |> filter(fn: (r) => r._measurement == ${'cpu'} and r._field == "usage" and r.host == ${'h1'})
    |> aggregateWindow(every: ${fluxDuration('30s')}, fn: mean, createEmpty: false)`
  const rows = await api.collectRows(query)
  assert.deepEqual(rows.map(row => [row._time, row._value, row.host, row._field, row.result, row.table]), [
    ['2026-01-01T00:00:30Z', 7.5, 'h1', 'usage', '_result', 0],
    ['2026-01-01T00:01:00Z', 22.5, 'h1', 'usage', '_result', 0],
  ])
})

test('rows one after another, with the description of their columns', async () => {
  const query = flux`from(bucket: ${bucket}) |> range(start: ${start}, stop: ${stop}) |> limit(n: 1)`
  const seen = []
  for await (const {values, tableMeta} of api.iterateRows(query)) {
    const row = tableMeta.toObject(values)
    seen.push([row.host, row._field, tableMeta.column('_value').dataType, tableMeta.column('host').group])
  }
  seen.sort()
  assert.deepEqual(seen, [
    ['h0', 'note', 'string', true],
    ['h0', 'usage', 'double', true],
    ['h1', 'note', 'string', true],
    ['h1', 'usage', 'double', true],
  ])
})

test('lines and raw answers', async () => {
  const query = flux`from(bucket: ${bucket}) |> range(start: ${start}, stop: ${stop})
    |> filter(fn: (r) => r._field == "note" and r.host == "h0") |> limit(n: 1) |> keep(columns: ["_value"])`
  const raw = await api.queryRaw(query)
  const expected = [
    '#datatype,string,long,string',
    '#group,false,false,false',
    '#default,_result,,',
    ',result,table,_value',
    ',,0,"a, ""b"""',
    '',
    '',
  ]
  assert.equal(raw, expected.join('\r\n'))
  const lines = await api.collectLines(query)
  assert.equal(lines.filter(line => line.length > 0).length, 5)
})

test('compressed requests and several results', async () => {
  const compressing = client.getQueryApi({org, gzip: true, now: () => '2026-01-01T01:00:00Z'})
  const rows = await compressing.collectRows(`
    data = from(bucket: "${bucket}") |> range(start: -1h) |> filter(fn: (r) => r._field == "usage") |> group()
    data |> count() |> yield(name: "n")
    data |> max() |> yield(name: "most")`)
  assert.deepEqual(rows.map(row => [row.result, row._value]), [['n', 60], ['most', 29.5]])
})

test('errors have the code and the message', async () => {
  const wrong = api.collectRows('from(bucket: "nothing there") |> range(start: -1h)')
  await assert.rejects(wrong, error => {
    assert.equal(error.statusCode, 404)
    assert.match(error.message, /could not find bucket "nothing there"/)
    return true
  })
  const isRefused = error => error.statusCode === 400 && /compilation failed/.test(error.message)
  await assert.rejects(api.collectRows('x ='), isRefused)
})

test('the generated API', async () => {
  const generated = new QueryAPI(client)
  const tree = await generated.postQueryAst({body: {query: 'x = 1'}})
  assert.equal(tree.ast.files[0].body[0].id.name, 'x')
  const analysis = await generated.postQueryAnalyze({body: {query: 'y', type: 'flux'}})
  assert.equal(analysis.errors[0].message, 'undefined identifier y')
  const suggestions = await generated.getQuerySuggestions()
  assert.ok(suggestions.funcs.some(suggestion => suggestion.name === 'range'))
  assert.equal((await generated.getQuerySuggestionsName({name: 'limit'})).params.n, 'int')
})
