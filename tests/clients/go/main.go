// The Go client of InfluxDB 1.x, github.com/influxdata/influxdb1-client, against a Freshet server: a database, points
// in batches, queries with parameters and in chunks, users and errors. The last line says how many checks passed.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	client "github.com/influxdata/influxdb1-client/v2"
)

func check(is bool, what string, values ...any) {
	if !is {
		fmt.Println("failed:", what, values)
		os.Exit(1)
	}
}

func connect(name, password string) client.Client {
	connected, err := client.NewHTTPClient(client.HTTPConfig{
		Addr:     os.Getenv("FRESHET_URL"),
		Username: name,
		Password: password,
	})
	check(err == nil, "connect", err)
	return connected
}

func query(c client.Client, text string) *client.Response {
	answer, err := c.Query(client.NewQuery(text, "godb", "s"))
	check(err == nil, text, err)
	return answer
}

func done(c client.Client, text string) *client.Response {
	answer := query(c, text)
	check(answer.Error() == nil, text, answer.Error())
	return answer
}

func ping(c client.Client) {
	_, version, err := c.Ping(10 * time.Second)
	check(err == nil && strings.HasPrefix(version, "v2"), "ping", version, err)
}

func writes(c client.Client) {
	done(c, "CREATE DATABASE godb")
	batch, err := client.NewBatchPoints(client.BatchPointsConfig{Database: "godb", Precision: "ms"})
	check(err == nil, "batch", err)
	for number := 0; number < 10; number++ {
		tags := map[string]string{"host": fmt.Sprintf("h%d", number%2)}
		fields := map[string]interface{}{"value": float64(number) + 0.5, "count": number, "ok": number > 4, "note": "a \"b\""}
		point, err := client.NewPoint("cpu", tags, fields, time.Unix(int64(number)*60, 0))
		check(err == nil, "point", err)
		batch.AddPoint(point)
	}
	check(c.Write(batch) == nil, "write")
	bad, _ := client.NewBatchPoints(client.BatchPointsConfig{Database: "absent"})
	err = c.Write(bad)
	check(err != nil && strings.Contains(err.Error(), "no dbrp mapping found"), "a database that there is not", err)
}

func queries(c client.Client) {
	answer := done(c, `SELECT mean("value") FROM cpu WHERE time < 600s GROUP BY host`)
	series := answer.Results[0].Series
	check(len(series) == 2 && series[0].Tags["host"] == "h0", "series", series)
	check(fmt.Sprint(series[1].Values) == "[[0 5.5]]", "values", series[1].Values)
	parameters := client.NewQueryWithParameters("SELECT count FROM cpu WHERE host = $host", "godb", "s",
		map[string]interface{}{"host": "h1"})
	answer, err := c.Query(parameters)
	check(err == nil && answer.Error() == nil && len(answer.Results[0].Series[0].Values) == 5, "parameters", answer, err)
	chunks, err := c.QueryAsChunk(client.Query{Command: "SELECT value FROM cpu", Database: "godb", Chunked: true, ChunkSize: 3})
	check(err == nil, "chunks", err)
	rows := 0
	for {
		part, err := chunks.NextResponse()
		if err == io.EOF {
			break
		}
		check(err == nil, "next chunk", err)
		for _, result := range part.Results {
			for _, series := range result.Series {
				rows += len(series.Values)
			}
		}
	}
	check(rows == 10, "rows of all chunks", rows)
	check(query(c, "SELECT value FROM absent..cpu").Error().Error() == "database not found: absent", "unknown database")
	_, err = c.Query(client.NewQuery("SELEC", "godb", ""))
	check(err != nil || query(c, "SELECT foo(value) FROM cpu").Error() != nil, "no InfluxQL")
}

func users(c client.Client) {
	done(c, "CREATE USER gopher WITH PASSWORD 'secret'")
	done(c, "GRANT READ ON godb TO gopher")
	gopher := connect("gopher", "secret")
	check(len(done(gopher, "SELECT value FROM cpu").Results[0].Series) == 1, "a user reads")
	refused := query(gopher, "DROP MEASUREMENT cpu").Error()
	check(refused != nil && strings.Contains(refused.Error(), "insufficient permissions"), "a reader drops", refused)
	wrong := query(connect("gopher", "wrong"), "SHOW DATABASES").Error()
	check(wrong != nil && strings.Contains(wrong.Error(), "unauthorized"), "a wrong password", wrong)
	done(c, "DROP USER gopher")
	done(c, "DROP DATABASE godb")
}

func main() {
	c := connect("anybody", os.Getenv("FRESHET_TOKEN"))
	checks := []func(client.Client){ping, writes, queries, users}
	for _, run := range checks {
		run(c)
	}
	fmt.Printf("%d passed\n", len(checks))
}
