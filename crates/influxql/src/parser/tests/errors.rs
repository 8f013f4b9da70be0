//! What each statement expects, in InfluxDB's words.

use super::check_error;

/// What the whole grammar begins with.
const STATEMENTS: &str = "SELECT, DELETE, SHOW, CREATE, DROP, EXPLAIN, GRANT, REVOKE, ALTER, SET, KILL";

/// The text, which is one line, ends where something else is expected: after a word.
fn check_end(text: &str, expected: &str) {
    check_error(text, &format!("found EOF, expected {expected} at line 1, char {}", text.len() + 2));
}

/// The same after a quote or a sign.
fn check_end_behind_sign(text: &str, expected: &str) {
    check_error(text, &format!("found EOF, expected {expected} at line 1, char {}", text.len() + 1));
}

#[test]
fn beginnings() {
    check_error("blah blah", &format!("found blah, expected {STATEMENTS} at line 1, char 1"));
    check_error("INSERT cpu value=1", &format!("found INSERT, expected {STATEMENTS} at line 1, char 1"));
    check_error("USE db", &format!("found USE, expected {STATEMENTS} at line 1, char 1"));
    check_error(
        "SHOW FOO",
        "found FOO, expected CONTINUOUS, DATABASES, DIAGNOSTICS, FIELD, GRANTS, MEASUREMENT, MEASUREMENTS, QUERIES, \
         RETENTION, SERIES, SHARD, SHARDS, STATS, SUBSCRIPTIONS, TAG, USERS at line 1, char 6",
    );
    check_error(
        "CREATE FOO",
        "found FOO, expected CONTINUOUS, DATABASE, USER, RETENTION, SUBSCRIPTION at line 1, char 8",
    );
    check_error(
        "DROP FOO",
        "found FOO, expected CONTINUOUS, DATABASE, MEASUREMENT, RETENTION, SERIES, SHARD, SUBSCRIPTION, USER \
         at line 1, char 6",
    );
    check_end("ALTER", "RETENTION");
    check_end("ALTER RETENTION", "POLICY");
    check_end("SET", "PASSWORD");
    check_end("KILL", "QUERY");
    check_end("EXPLAIN", "SELECT");
    check_end("EXPLAIN ANALYZE", "SELECT");
    check_error("KILL QUERY 10s", "found 10s, expected integer at line 1, char 12");
    check_error("KILL QUERY 4 ON 'host'", "found host, expected identifier at line 1, char 16");
    check_error(
        "KILL QUERY 18446744073709551616",
        "strconv.ParseUint: parsing \"18446744073709551616\": value out of range at line 1, char 12",
    );
}

#[test]
fn select() {
    check_end("SELECT", "identifier, string, number, bool");
    check_error("SELECT a X", "found X, expected FROM at line 1, char 10");
    check_end("SELECT a AS", "identifier");
    check_end("SELECT a FROM", "identifier");
    check_error("SELECT a FROM 12", "found 12, expected identifier at line 1, char 15");
    check_end("SELECT a FROM b GROUP", "BY");
    check_end("SELECT a FROM b LIMIT", "integer");
    check_error("SELECT a FROM b LIMIT 10.5", "found 10.5, expected integer at line 1, char 23");
    check_error("SELECT a FROM b LIMIT -1", "found -, expected integer at line 1, char 23");
    check_end("SELECT a FROM b SOFFSET", "integer");
    check_end("SELECT a FROM b ORDER", "BY");
    check_end("SELECT a FROM b ORDER BY", "identifier, ASC, DESC");
    check_error("SELECT a FROM b ORDER BY /", "found /, expected identifier, ASC, DESC at line 1, char 26");
    check_end_behind_sign("SELECT a FROM b ORDER BY time ASC,", "identifier");
    check_error("SELECT a FROM b ORDER BY time, a", "only ORDER BY time supported at this time");
    check_error("SELECT a FROM b ORDER BY a", "only ORDER BY time supported at this time");
    check_error("SELECT a FROM b WHERE c +;", "found ;, expected identifier, string, number, bool at line 1, char 26");
    check_error("SELECT a FROM (SHOW USERS)", "found SHOW, expected SELECT at line 1, char 16");
    check_error("SELECT a FROM (SELECT b FROM c", "found EOF, expected ) at line 1, char 32");
    check_error("SELECT a FROM (SELECT b FROM (SELECT c FROM d)", "found EOF, expected ) at line 1, char 48");
    check_error("SELECT a FROM b.c.d.e", "too many segments in \"b\".\"c\".\"d\".e at line 1, char 1");
    check_error("SELECT a FROM b.", "found EOF, expected identifier at line 1, char 18");
    check_error("SELECT a./b/ FROM c", "found /, expected identifier at line 1, char 10");
    check_error("SELECT a INTO FROM b", "found FROM, expected identifier at line 1, char 15");
    check_error("SELECT a INTO rp.:x FROM b", "found x, expected MEASUREMENT at line 1, char 19");
}

#[test]
fn operators_in_fields() {
    let message = |operator: &str| {
        format!("invalid operator {operator} in SELECT clause at line 1, char 8; operator is intended for WHERE clause")
    };
    check_error("SELECT value > 2 FROM cpu", &message(">"));
    check_error("SELECT value = 2 FROM cpu", &message("="));
    check_error("SELECT s =~ /foo/ FROM cpu", &message("=~"));
    check_error("SELECT a > 1 AND b < 2 FROM cpu", &message("AND"));
    check_error("SELECT f(1 + (a != 2)) FROM cpu", &message("!="));
}

#[test]
fn fill_and_tz() {
    check_error("SELECT mean(a) FROM b FILL + c", "fill must be a function call");
    check_error("SELECT mean(a) FROM b fill", "fill must be a function call");
    let arguments = "fill requires an argument, e.g.: 0, null, none, previous, linear";
    check_error("SELECT mean(a) FROM b fill()", arguments);
    check_error("SELECT mean(a) FROM b fill(1, 2)", arguments);
    check_error("SELECT mean(a) FROM b fill(NULL)", "expected number argument in fill()");
    check_error("SELECT mean(a) FROM b fill('x')", "expected number argument in fill()");
    check_error("SELECT a FROM b tz", "tz must be a function call");
    check_error("SELECT a FROM b tz()", "tz requires exactly one argument");
    check_error("SELECT a FROM b tz(UTC)", "expected string argument in tz()");
}

#[test]
fn removals() {
    check_end("DELETE", "FROM, WHERE");
    check_end("DELETE FROM", "identifier");
    check_error("DELETE FROM &foo.m", "found &, expected identifier at line 1, char 13");
    check_error("DELETE FROM (SELECT a FROM b)", "found (, expected identifier at line 1, char 13");
    check_end("DELETE FROM m WHERE", "identifier, string, number, bool");
    check_error("DELETE FROM foo..m", "database not supported at line 1, char 1");
    check_end("DROP MEASUREMENT", "identifier");
    check_end("DROP SERIES", "FROM, WHERE");
    check_end("DROP SERIES FROM", "identifier");
    check_error("DROP SERIES FROM foo.m", "retention policy not supported at line 1, char 1");
    check_error("DROP SERIES FROM foo..m", "database not supported at line 1, char 1");
    check_error("DROP SHARD x", "found x, expected integer at line 1, char 12");
}

#[test]
fn show() {
    check_end("SHOW CONTINUOUS", "QUERIES");
    check_end("SHOW RETENTION", "POLICIES");
    check_error("SHOW RETENTION ON", "found ON, expected POLICIES at line 1, char 16");
    check_end("SHOW RETENTION POLICIES ON", "identifier");
    check_end("SHOW SHARD", "GROUPS");
    check_end("SHOW STATS FOR", "string");
    check_end("SHOW DIAGNOSTICS FOR", "string");
    check_end("SHOW GRANTS", "FOR");
    check_end("SHOW GRANTS FOR", "identifier");
    check_end("SHOW TAG", "KEY, KEYS, VALUES");
    check_end("SHOW TAG KEY", "EXACT, CARDINALITY");
    check_end("SHOW TAG KEY EXACT", "CARDINALITY");
    check_end("SHOW TAG VALUES", "WITH");
    check_end("SHOW TAG VALUES WITH", "KEY");
    check_end("SHOW TAG VALUES WITH KEY", "IN, =, =~");
    check_error("SHOW TAG VALUES WITH KEY IN a", "found a, expected ( at line 1, char 29");
    check_error("SHOW TAG VALUES WITH KEY = 'a'", "found a, expected identifier at line 1, char 27");
    check_error("SHOW TAG VALUES WITH KEY =~ a", "found a, expected regex at line 1, char 29");
    check_end("SHOW FIELD", "KEY, KEYS");
    check_error("SHOW FIELD KEYS WHERE a = 1", "found WHERE, expected ; at line 1, char 17");
    check_end("SHOW MEASUREMENT", "EXACT, CARDINALITY");
    check_end("SHOW SERIES EXACT", "CARDINALITY");
    check_error("SHOW MEASUREMENTS ON 'db'", "found db, expected identifier or * at line 1, char 21");
    check_error("SHOW MEASUREMENTS WITH MEASUREMENT > a", "found >, expected =, =~ at line 1, char 36");
}

#[test]
fn databases_and_retention_policies() {
    check_end("CREATE DATABASE", "identifier");
    check_end("CREATE DATABASE db WITH", "DURATION, NAME, REPLICATION, SHARD");
    check_end("CREATE DATABASE db WITH DURATION", "duration");
    check_end("CREATE DATABASE db WITH REPLICATION", "integer");
    check_end("CREATE DATABASE db WITH NAME", "identifier");
    check_end("CREATE DATABASE db WITH SHARD", "DURATION");
    check_end("DROP DATABASE", "identifier");
    check_end("DROP RETENTION", "POLICY");
    check_end("DROP RETENTION POLICY", "identifier");
    check_end_behind_sign("DROP RETENTION POLICY \"1h.cpu\"", "ON");
    check_end("DROP RETENTION POLICY \"1h.cpu\" ON", "identifier");
    check_end("CREATE RETENTION", "POLICY");
    check_end("CREATE RETENTION POLICY p", "ON");
    check_end("CREATE RETENTION POLICY p ON db", "DURATION");
    let policy = "CREATE RETENTION POLICY policy1 ON testdb DURATION";
    check_end(policy, "duration");
    check_error(&format!("{policy} bad"), "found bad, expected duration at line 1, char 52");
    check_error(&format!("{policy} 1h"), "found EOF, expected REPLICATION at line 1, char 54");
    check_error(&format!("{policy} 1h REPLICATION 3.14"), "found 3.14, expected integer at line 1, char 67");
    check_error(
        &format!("{policy} 1h REPLICATION 0"),
        "invalid value 0: must be 1 <= n <= 2147483647 at line 1, char 67",
    );
    check_error(
        &format!("{policy} 1h REPLICATION 99999999999999999999"),
        "strconv.Atoi: parsing \"99999999999999999999\": value out of range at line 1, char 67",
    );
    check_error(
        &format!("{policy} 1h REPLICATION 2 SHARD DURATION INF"),
        "invalid duration INF for shard duration at line 1, char 84",
    );
    check_end("ALTER RETENTION POLICY", "identifier");
    check_end("ALTER RETENTION POLICY policy1 ON testdb", "DURATION, REPLICATION, SHARD, DEFAULT");
    check_error(
        "ALTER RETENTION POLICY policy1 ON testdb REPLICATION 1 REPLICATION 2",
        "found duplicate REPLICATION option at line 1, char 56",
    );
    check_error(
        "ALTER RETENTION POLICY policy1 ON testdb DURATION 15251w",
        "overflowed duration 15251w: choose a smaller duration or INF at line 1, char 51",
    );
    check_error(
        "ALTER RETENTION POLICY policy1 ON testdb DURATION INF SHARD DURATION INF",
        "invalid duration INF for shard duration at line 1, char 70",
    );
}

#[test]
fn continuous_queries_and_subscriptions() {
    check_end("CREATE CONTINUOUS", "QUERY");
    check_end("CREATE CONTINUOUS QUERY", "identifier");
    check_end("DROP CONTINUOUS", "QUERY");
    check_end("DROP CONTINUOUS QUERY q", "ON");
    let begin = "CREATE CONTINUOUS QUERY q ON db";
    check_end(begin, "BEGIN");
    check_error(&format!("{begin} RESAMPLE BEGIN"), "found BEGIN, expected EVERY, FOR at line 1, char 42");
    check_error(&format!("{begin} RESAMPLE FOR INF"), "found INF, expected duration at line 1, char 46");
    check_error(&format!("{begin} BEGIN SHOW USERS END"), "found SHOW, expected SELECT at line 1, char 39");
    check_error(&format!("{begin} BEGIN SELECT a FROM b END"), "found FROM, expected INTO at line 1, char 48");
    check_error(
        &format!("{begin} BEGIN SELECT f(a) INTO b FROM c END"),
        "found c, expected GROUP BY time(...) at line 1, char 63",
    );
    // Regression: the slash was read again as a division.
    check_error(
        &format!("{begin} BEGIN SELECT f(a) INTO b FROM /c/ END"),
        "found c, expected GROUP BY time(...) at line 1, char 62",
    );
    check_error(
        &format!("{begin} BEGIN SELECT f(a) INTO b FROM c GROUP BY time(x) END"),
        "found ), expected GROUP BY time(...), time dimension must have duration argument at line 1, char 80",
    );
    check_error(
        &format!("{begin} BEGIN SELECT f(a) INTO b FROM c GROUP BY time(1m)"),
        "found EOF, expected END at line 1, char 82",
    );
    let too_short = "FOR duration must be >= GROUP BY time duration: must be a minimum of 10s, got 5s";
    let query = |resample: &str, window: &str| {
        format!("{begin} RESAMPLE {resample} BEGIN SELECT f(a) INTO b FROM c GROUP BY time({window}) END")
    };
    check_error(&query("FOR 5s", "10s"), too_short);
    check_error(&query("EVERY 10s FOR 5s", "5s"), too_short);
    check_end("CREATE SUBSCRIPTION", "identifier");
    check_end_behind_sign("CREATE SUBSCRIPTION \"name\"", "ON");
    check_end("CREATE SUBSCRIPTION \"name\" ON ", "identifier");
    check_end_behind_sign("CREATE SUBSCRIPTION \"name\" ON \"db\"", ".");
    check_end_behind_sign("CREATE SUBSCRIPTION \"name\" ON \"db\".", "identifier");
    check_end_behind_sign("CREATE SUBSCRIPTION \"name\" ON \"db\".\"rp\"", "DESTINATIONS");
    check_end("CREATE SUBSCRIPTION \"name\" ON \"db\".\"rp\" DESTINATIONS", "ALL, ANY");
    check_end("CREATE SUBSCRIPTION \"name\" ON \"db\".\"rp\" DESTINATIONS ALL ", "string");
    check_end_behind_sign("DROP SUBSCRIPTION \"name\" ON \"db\"", ".");
}

#[test]
fn users_and_privileges() {
    check_end("CREATE USER u", "WITH");
    check_end("CREATE USER u WITH", "PASSWORD");
    check_end("CREATE USER u WITH PASSWORD", "string");
    check_end("CREATE USER u WITH PASSWORD 'p' WITH", "ALL");
    check_end("CREATE USER u WITH PASSWORD 'p' WITH ALL", "PRIVILEGES");
    check_end("DROP USER", "identifier");
    check_error("SET PASSWORD something", "found something, expected FOR at line 1, char 14");
    check_end("SET PASSWORD FOR dejan", "=");
    check_end_behind_sign("SET PASSWORD FOR dejan =", "string");
    check_error("SET PASSWORD FOR dejan = bla", "found bla, expected string at line 1, char 26");
    check_end("GRANT", "READ, WRITE, ALL [PRIVILEGES]");
    check_error("GRANT BOGUS", "found BOGUS, expected READ, WRITE, ALL [PRIVILEGES] at line 1, char 7");
    check_end("GRANT READ", "ON");
    check_error("GRANT READ TO", "found TO, expected ON at line 1, char 12");
    check_end("GRANT READ ON", "identifier");
    check_end("GRANT READ ON db", "TO");
    check_end("GRANT READ ON db TO", "identifier");
    check_end("GRANT ALL", "ON, TO");
    check_end("GRANT ALL PRIVILEGES", "ON, TO");
    check_error("GRANT ALL FROM", "found FROM, expected ON, TO at line 1, char 11");
    check_error("GRANT ALL ON db FROM", "found FROM, expected TO at line 1, char 17");
    check_end("REVOKE", "READ, WRITE, ALL [PRIVILEGES]");
    check_error("REVOKE READ FROM", "found FROM, expected ON at line 1, char 13");
    check_end("REVOKE ALL", "ON, FROM");
    check_error("REVOKE ALL TO", "found TO, expected ON, FROM at line 1, char 12");
    check_end("REVOKE ALL ON db", "FROM");
    check_end("REVOKE ALL PRIVILEGES FROM", "identifier");
}
