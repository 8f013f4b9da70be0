// `QueryApi` of `@influxdata/influxdb-client` and `QueryAPI` of `@influxdata/influxdb-client-apis`: rows, lines, raw
// answers, templates with values, and errors.
'use strict'

const assert = require('node:assert/strict')
const {before, test} = require('node:test')
const {
  InfluxDB,
  Point,
  flux,
  fluxDateTime,
  fluxDuration,
  fluxFloat,
  fluxInteger,
} = require('@influxdata/influxdb-client')
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

test('values of every kind in a template', async () => {
  const text = 'a "b" ${x} \\ ä'
  const query = flux`import "array"
    array.from(rows: [{s: ${text}, i: ${fluxInteger(5)}, f: ${fluxFloat(1.5)}, n: ${7}, yes: ${true},
      m: "x1" =~ ${/x\d/}, t: ${new Date('2026-01-01T00:00:00Z')}, l: length(arr: ${['a', 'b']}),
      d: string(v: ${fluxDuration('1h30m')})}])`
  const [{s, i, f, n, yes, m, t, l, d}] = await api.collectRows(query)
  assert.deepEqual([s, i, f, n, yes, m, t, l, d], [text, 5, 1.5, 7, true, true, '2026-01-01T00:00:00Z', 2, '1h30m'])
})

test('rows and lines for a consumer that stops early', async () => {
  const query = flux`from(bucket: ${bucket}) |> range(start: ${start}, stop: ${stop})
    |> filter(fn: (r) => r._field == "usage")`
  const seen = []
  await new Promise((resolve, reject) => {
    api.queryRows(query, {
      next(row, meta) {
        seen.push(meta.get(row, '_value'))
        return true
      },
      error: reject,
      complete: resolve,
    })
  })
  assert.equal(seen.length, 60)
  let lines = 0
  await new Promise((resolve, reject) => {
    api.queryLines(query, {next: () => void lines++, error: reject, complete: resolve})
  })
  assert.ok(lines >= 60)
  for await (const line of api.iterateLines(query)) {
    assert.ok(line.startsWith('#'))
    break
  }
})

test('an error behind the first rows reaches the reader', async () => {
  const query = `import "array"
    data = array.from(rows: [{a: 1, g: "x"}, {a: 0, g: "y"}]) |> group(columns: ["g"])
    data |> yield(name: "first")
    data |> map(fn: (r) => ({b: 1 / r.a})) |> yield(name: "second")`
  const text = await api.queryRaw(query)
  assert.match(text, /,error,reference\r\n,[^\r]*cannot divide by zero/)
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
  const query = 'import "array"\narray.from(rows: [{a: params.n}])'
  const body = {query, params: {n: 5}, type: 'flux', dialect: {annotations: ['datatype']}}
  const answer = await generated.postQuery({org, body})
  assert.equal(answer, '#datatype,string,long,long\r\n,result,table,a\r\n,_result,0,5\r\n\r\n')
})
