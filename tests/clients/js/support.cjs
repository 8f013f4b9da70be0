// What the client programs share: where the server is, and its rows by SQL, which these clients do not speak.
'use strict'

const url = process.env.FRESHET_URL
const token = process.env.FRESHET_TOKEN
const org = process.env.FRESHET_ORG
const bucket = process.env.FRESHET_BUCKET

/** The rows of a query; columns that are null are missing. */
async function sql(query, {db = bucket, as = token, organisation = org} = {}) {
  const response = await fetch(`${url}/api/v3/query_sql?org=${encodeURIComponent(organisation)}`, {
    method: 'POST',
    headers: {authorization: `Token ${as}`, 'content-type': 'application/json'},
    body: JSON.stringify({db, q: query, format: 'json'}),
  })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`)
  return JSON.parse(text)
}

module.exports = {url, token, org, bucket, sql}
