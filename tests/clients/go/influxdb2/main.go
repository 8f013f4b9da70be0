// The Go client of InfluxDB 2.x, github.com/influxdata/influxdb-client-go/v2, against a Freshet server: points written
// one after another and in batches, Flux with records, raw answers, parameters and dialects, deletes, buckets and
// errors. The last line says how many checks passed.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"github.com/influxdata/influxdb-client-go/v2/api"
	"github.com/influxdata/influxdb-client-go/v2/api/http"
	"github.com/influxdata/influxdb-client-go/v2/api/write"
	"github.com/influxdata/influxdb-client-go/v2/domain"
)

var (
	url    = os.Getenv("FRESHET_URL")
	token  = os.Getenv("FRESHET_TOKEN")
	org    = os.Getenv("FRESHET_ORG")
	bucket = os.Getenv("FRESHET_BUCKET")
	start  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ctx    = context.Background()
)

func check(is bool, what string, values ...any) {
	if !is {
		fmt.Println("failed:", what, values)
		os.Exit(1)
	}
}

func point(number int) *write.Point {
	tags := map[string]string{"host": fmt.Sprintf("h%d", number%2)}
	fields := map[string]interface{}{"usage": float64(number) / 2, "count": number, "size": uint64(number), "on": number > 5, "note": "a, \"b\""}
	return influxdb2.NewPoint("cpu", tags, fields, start.Add(time.Duration(number)*time.Second))
}

func health(client influxdb2.Client) {
	health, err := client.Health(ctx)
	check(err == nil && health.Status == domain.HealthCheckStatusPass, "health", health, err)
	pong, err := client.Ping(ctx)
	check(err == nil && pong, "ping", err)
	ready, err := client.Ready(ctx)
	check(err == nil && *ready.Status == "ready", "ready", ready, err)
}

func writes(client influxdb2.Client) {
	blocking := client.WriteAPIBlocking(org, bucket)
	check(blocking.WritePoint(ctx, point(0), point(1)) == nil, "points")
	line := fmt.Sprintf("cpu,host=h0 usage=1,count=2i,size=2u,on=false,note=\"a, \\\"b\\\"\" %d", start.Add(2*time.Second).UnixNano())
	check(blocking.WriteRecord(ctx, line) == nil, "record")
	batches := client.WriteAPI(org, bucket)
	failures := batches.Errors()
	done := make(chan error, 1)
	go func() { done <- <-failures }()
	for number := 3; number < 10; number++ {
		batches.WritePoint(point(number))
	}
	batches.Flush()
	select {
	case err := <-done:
		check(false, "batches", err)
	default:
	}
	err := blocking.WriteRecord(ctx, "cpu usage=")
	var refused *http.Error
	check(errors.As(err, &refused) && refused.StatusCode == 400 && refused.Code == "invalid", "a bad line", err)
}

func records(client influxdb2.Client) {
	query := client.QueryAPI(org)
	script := fmt.Sprintf(`from(bucket: "%s") |> range(start: 2026-01-01T00:00:00Z, stop: 2026-01-01T01:00:00Z)
		|> filter(fn: (r) => r._measurement == "cpu")`, bucket)
	result, err := query.Query(ctx, script)
	check(err == nil, "query", err)
	kinds := map[string]string{}
	tables, rows := 0, 0
	for result.Next() {
		// Tables of the same columns follow each other under one head.
		if result.TableChanged() {
			tables++
			column := result.TableMetadata().Column(0)
			check(column.Name() == "result" && column.DefaultValue() == "_result", "columns", column)
		}
		record := result.Record()
		check(record.Measurement() == "cpu" && record.Start().Equal(start) && record.Stop().Equal(start.Add(time.Hour)), "record", record)
		number := int(record.Time().Sub(start) / time.Second)
		check(record.ValueByKey("host") == fmt.Sprintf("h%d", number%2), "tag", record)
		if record.Field() == "usage" {
			check(record.Value() == float64(number)/2, "value", record)
		}
		kinds[record.Field()] = fmt.Sprintf("%T", record.Value())
		rows++
	}
	check(result.Err() == nil && tables == 5 && rows == 50, "all records", result.Err(), tables, rows)
	check(fmt.Sprint(kinds) == "map[count:int64 note:string on:bool size:uint64 usage:float64]", "types", kinds)
}

func results(client influxdb2.Client) {
	script := fmt.Sprintf(`data = from(bucket: "%s") |> range(start: 2026-01-01T00:00:00Z) |> filter(fn: (r) => r._field == "count")
		data |> last() |> yield(name: "last")
		data |> group() |> sum() |> yield(name: "sum")`, bucket)
	result, err := client.QueryAPI(org).Query(ctx, script)
	check(err == nil, "query", err)
	var found []string
	for result.Next() {
		found = append(found, fmt.Sprintf("%s %v", result.Record().Result(), result.Record().Value()))
	}
	sort.Strings(found)
	check(result.Err() == nil && strings.Join(found, ", ") == "last 8, last 9, sum 45", "results", found, result.Err())
}

func raw(client influxdb2.Client) {
	script := fmt.Sprintf(`from(bucket: "%s") |> range(start: 2026-01-01T00:00:00Z) |> filter(fn: (r) => r._field == "on")
		|> group() |> count() |> keep(columns: ["_value"])`, bucket)
	text, err := client.QueryAPI(org).QueryRaw(ctx, script, influxdb2.DefaultDialect())
	expected := "#datatype,string,long,long\r\n#group,false,false,false\r\n#default,_result,,\r\n,result,table,_value\r\n,,0,10\r\n\r\n"
	check(err == nil && text == expected, "raw", err, text)
	header, delimiter := false, ";"
	dialect := domain.Dialect{Header: &header, Delimiter: &delimiter}
	text, err = client.QueryAPI(org).QueryRaw(ctx, script, &dialect)
	check(err == nil && text == ";_result;0;10\r\n\r\n", "another dialect", err, text)
}

func parameters(client influxdb2.Client) {
	script := `from(bucket: params.bucket) |> range(start: time(v: params.start), stop: time(v: params.stop))
		|> filter(fn: (r) => r._field == "usage" and r._value > params.least and r.host == params.host) |> count()`
	values := struct {
		Bucket string    `json:"bucket"`
		Start  time.Time `json:"start"`
		Stop   time.Time `json:"stop"`
		Least  float64   `json:"least"`
		Host   string    `json:"host"`
	}{bucket, start, start.Add(time.Hour), 1.0, "h0"}
	result, err := client.QueryAPI(org).QueryWithParams(ctx, script, values)
	check(err == nil && result.Next(), "parameters", err)
	check(result.Record().Value() == int64(3), "counted", result.Record())
}

func failures(client influxdb2.Client) {
	_, err := client.QueryAPI(org).Query(ctx, `from(bucket: "nothing there") |> range(start: -1h)`)
	var refused *http.Error
	check(errors.As(err, &refused) && refused.StatusCode == 404 && strings.Contains(refused.Message, "could not find bucket \"nothing there\""), "no bucket", err)
	_, err = client.QueryAPI(org).Query(ctx, `x =`)
	check(errors.As(err, &refused) && refused.StatusCode == 400 && strings.Contains(refused.Message, "compilation failed"), "no Flux", err)
	// An error behind the first rows stands in the answer, and the client says so.
	script := `import "array"
		data = array.from(rows: [{a: 1, g: "x"}, {a: 0, g: "y"}]) |> group(columns: ["g"])
		data |> yield(name: "first")
		data |> map(fn: (r) => ({b: 1 / r.a})) |> yield(name: "second")`
	result, err := client.QueryAPI(org).Query(ctx, script)
	check(err == nil, "the beginning", err)
	for result.Next() {
	}
	check(result.Err() != nil && strings.Contains(result.Err().Error(), "cannot divide by zero"), "the end", result.Err())
}

func resources(client influxdb2.Client) {
	organisation, err := client.OrganizationsAPI().FindOrganizationByName(ctx, org)
	check(err == nil && organisation.Name == org, "organisation", err)
	made, err := client.BucketsAPI().CreateBucketWithName(ctx, organisation, "gopher", domain.RetentionRule{EverySeconds: 3600})
	check(err == nil && made.Name == "gopher", "bucket", err)
	check(client.WriteAPIBlocking(org, "gopher").WriteRecord(ctx, "m f=1") == nil, "write to it")
	found, err := client.BucketsAPI().FindBucketByName(ctx, "gopher")
	check(err == nil && *found.Id == *made.Id, "find it", err)
	check(client.BucketsAPI().DeleteBucket(ctx, made) == nil, "delete it")
	check(client.DeleteAPI().DeleteWithName(ctx, org, bucket, start, start.Add(time.Minute), `host="h1"`) == nil, "delete points")
	script := fmt.Sprintf(`from(bucket: "%s") |> range(start: 2026-01-01T00:00:00Z) |> filter(fn: (r) => r._field == "on") |> group() |> count()`, bucket)
	result, err := client.QueryAPI(org).Query(ctx, script)
	check(err == nil && result.Next() && result.Record().Value() == int64(5), "what is left", err)
}

func main() {
	options := influxdb2.DefaultOptions().SetBatchSize(4).SetUseGZip(true).SetPrecision(time.Nanosecond)
	client := influxdb2.NewClientWithOptions(url, token, options)
	defer client.Close()
	checks := []func(influxdb2.Client){health, writes, records, results, raw, parameters, failures, resources}
	for _, run := range checks {
		run(client)
	}
	var _ api.QueryAPI = client.QueryAPI(org)
	fmt.Printf("%d passed\n", len(checks))
}
