"""Writes into an empty InfluxDB 1.6 on port 18186, records its answers in expected.txt, and stops it by its id.

The server needs cache-snapshot-write-cold-duration = "1s": what is written before the pauses becomes TSM files, what is
written last stays in the log.
"""

import json
import os
import random
import signal
import struct
import sys
import time
import urllib.parse
import urllib.request

BASE = "http://127.0.0.1:18186"
SECOND = 10**9
START = 1600000000 * SECOND


def query(text):
    data = urllib.parse.urlencode({"q": text, "db": "fx", "epoch": "ns"}).encode()
    response = urllib.request.urlopen(urllib.request.Request(BASE + "/query", data=data))
    answer = json.load(response, parse_int=lambda text: -0.0 if text == "-0" else int(text))
    assert "error" not in json.dumps(answer), answer
    return answer


def write(lines, policy="autogen"):
    address = f"{BASE}/write?db=fx&rp={policy}&precision=ns"
    urllib.request.urlopen(urllib.request.Request(address, data="\n".join(lines).encode()))


query("CREATE DATABASE fx")
query("CREATE RETENTION POLICY week ON fx DURATION 52w REPLICATION 1 SHARD DURATION 1w")
query("CREATE USER reader WITH PASSWORD 'reader-secret'")
query("GRANT READ ON fx TO reader")
query(
    "CREATE CONTINUOUS QUERY cq ON fx BEGIN "
    "SELECT mean(f) INTO fx.week.down FROM types GROUP BY time(1h), * END"
)
random.seed(7)
lines = []
for i in range(1500):
    f, n, b = random.gauss(0, 100), random.randint(-(2**40), 2**40), random.random() < 0.5
    text = "x" * (i % 7) + f"é{i}"
    lines.append(f'types,t=a f={f!r},i={n}i,b={str(b).lower()},s="{text}" {START + i * 10 * SECOND}')
for i in range(300):
    lines.append(f"types,t=b f={i * 0.5},i={i}i {START + i * random.choice([1, 3]) * SECOND + i * 7 * SECOND}")
lines.append(f"types,t=c i=-9223372036854775808i,f=5e-324 {START}")
lines.append(f"types,t=c i=9223372036854775807i,f=1.7976931348623157e308 {START + 1}")
lines.append(f"types,t=c i=0i,f=-0.0 {START + 2}")
lines.append(f'a\\ b\\,c,k\\ \\,\\=y=v\\ \\,\\=z field\\ \\,\\=key=1,s="q \\"x\\" \\\\ \nnl" {START + 5}')
lines.append(f"single v=true {START}")
write(lines)
# Another shard.
write([f"types,t=a i={i}i {START + (40 * 604800 + i) * SECOND}" for i in range(10)])
time.sleep(3)
# Overlaps, and writes again.
write([f"types,t=a f={i}.25,i={-i}i {START + (i * 20 + 5 * (i % 2)) * SECOND}" for i in range(400)])
time.sleep(3)
query(f"DELETE FROM types WHERE t='b' AND time >= {START + 100 * SECOND} AND time <= {START + 500 * SECOND}")
write([f"gone f=1 {START}", f'types,t=log f=1,s="a" {START + 7}'])
query("DROP MEASUREMENT single")
log = [f"types,t=log f=2 {START + 7}", f"types,t=log f=3 {START + 8}"]
write(log + [f"types,t=a f=99.5 {START + 10 * SECOND}", f"gone f=2 {START + 1}"])
query(f"DELETE FROM gone WHERE time <= {START}")
write([f"gone f=3 {START}"])
write([f"down mean=1.5 {int(time.time()) * SECOND}"], "week")

found = []
for policy in ["autogen", "week"]:
    for series in query(f"SELECT * FROM fx.{policy}./.*/ GROUP BY *")["results"][0].get("series", []):
        name = series["name"] + "".join(f",{k}={v}" for k, v in sorted(series.get("tags", {}).items()) if v)
        for row in series["values"]:
            for column, value in zip(series["columns"][1:], row[1:]):
                if value is None:
                    continue
                if isinstance(value, bool):
                    value = f"b {str(value).lower()}"
                elif isinstance(value, str):
                    value = "s " + json.dumps(value)
                elif column == "i":
                    value = f"i {int(value)}"
                else:
                    value = f"f {struct.unpack('>Q', struct.pack('>d', float(value)))[0]:016x}"
                found.append(f"{policy} {json.dumps(name)} {json.dumps(column)} {row[0]} {value}")
os.kill(int(sys.argv[1]), signal.SIGTERM)
with open("expected.txt", "w") as file:
    file.write("\n".join(sorted(found)) + "\n")
