//! Every statement with each of its clauses.

use super::{check, check_same};

#[test]
fn select_fields() {
    check_same("SELECT a FROM b");
    check_same("SELECT a, mean(b) AS m, c + 1 AS \"as\" FROM d");
    check_same("SELECT * FROM b");
    check_same("SELECT *::field, *::tag FROM b");
    check_same("SELECT /^usage_/ FROM cpu");
    check_same("SELECT /a/, /b/ AS c FROM d");
    check_same("SELECT mean(/a/), count(*::field) FROM d");
    check_same("SELECT DISTINCT a FROM b");
    check_same("SELECT 'x', 1.5, 2, true, 10m FROM b");
    check("select A from B", "SELECT A FROM B");
    check("SELECT a ,b FROM c", "SELECT a, b FROM c");
    check("SELECT a AS b,c FROM d", "SELECT a AS b, c FROM d");
    check("SELECT a AS b /* c */ , d FROM e", "SELECT a AS b, d FROM e");
}

#[test]
fn select_sources() {
    check_same("SELECT a FROM b, c");
    check_same("SELECT a FROM /^cpu/");
    check_same("SELECT a FROM /x/, b, /y/");
    check_same("SELECT a FROM db.rp.m");
    check_same("SELECT a FROM rp.m");
    check_same("SELECT a FROM db..m");
    check_same("SELECT a FROM db.rp./x/");
    check_same("SELECT a FROM db../x/");
    check_same("SELECT a FROM rp./x/");
    check_same("SELECT a FROM \"my db\".\"1h\".\"a.b\"");
    check_same("SELECT a FROM (SELECT b FROM c)");
    check_same("SELECT a FROM (SELECT b FROM c WHERE d > 1 GROUP BY e LIMIT 1), f, (SELECT g FROM (SELECT h FROM i))");
    check("SELECT a FROM b,/c/", "SELECT a FROM b, /c/");
    check("SELECT a FROM \"\".\"\".m", "SELECT a FROM m");
    check("SELECT a FROM db.\"\".m", "SELECT a FROM db..m");
}

#[test]
fn select_into() {
    check_same("SELECT a INTO b FROM c");
    check_same("SELECT a INTO rp.b FROM c");
    check_same("SELECT a INTO db.rp.b FROM c");
    check_same("SELECT a INTO db..b FROM c");
    check_same("SELECT a INTO rp.:MEASUREMENT FROM /x/");
    check_same("SELECT a INTO db.rp.:MEASUREMENT FROM /x/");
    check_same("SELECT a INTO db..:MEASUREMENT FROM /x/");
    check("SELECT a INTO \"1h\".:measurement FROM b", "SELECT a INTO \"1h\".:MEASUREMENT FROM b");
}

#[test]
fn select_clauses() {
    check_same("SELECT a FROM b WHERE c = 'd' AND (e > 1 OR f =~ /g/)");
    check_same("SELECT a FROM b WHERE time >= '2026-04-01T00:00:00Z' AND time < now() - 1h");
    check_same("SELECT mean(a) FROM b GROUP BY time(10m), host");
    check_same("SELECT mean(a) FROM b GROUP BY time(10m, -5m)");
    check_same("SELECT mean(a) FROM b GROUP BY time(10m, now())");
    check_same("SELECT mean(a) FROM b GROUP BY *");
    check_same("SELECT mean(a) FROM b GROUP BY /host/, region");
    check("SELECT a FROM b GROUP BY /c/ , d", "SELECT a FROM b GROUP BY /c/, d");
    check_same("SELECT mean(a) FROM b GROUP BY time(10m) fill(none)");
    check_same("SELECT mean(a) FROM b GROUP BY time(10m) fill(previous)");
    check_same("SELECT mean(a) FROM b GROUP BY time(10m) fill(linear)");
    check_same("SELECT mean(a) FROM b GROUP BY time(10m) fill(0)");
    check_same("SELECT mean(a) FROM b GROUP BY time(10m) fill(-1.5)");
    check("SELECT mean(a) FROM b GROUP BY c FILL(null)", "SELECT mean(a) FROM b GROUP BY c");
    check_same("SELECT a FROM b ORDER BY time ASC");
    check_same("SELECT a FROM b ORDER BY time DESC");
    check("SELECT a FROM b ORDER BY time", "SELECT a FROM b ORDER BY time ASC");
    check("SELECT a FROM b ORDER BY desc", "SELECT a FROM b ORDER BY time DESC");
    check_same("SELECT a FROM b LIMIT 1 OFFSET 2 SLIMIT 3 SOFFSET 4");
    check("SELECT a FROM b LIMIT 0 OFFSET 0", "SELECT a FROM b");
    check("SELECT a FROM b tz('Europe/Paris')", "SELECT a FROM b TZ('Europe/Paris')");
    check(
        "SELECT mean(\"v\") FROM \"m\" WHERE h = 'x' GROUP BY time(1m),\"h\" fill(0) ORDER BY time LIMIT 5 TZ('UTC')",
        "SELECT mean(v) FROM m WHERE h = 'x' GROUP BY time(1m), h fill(0) ORDER BY time ASC LIMIT 5 TZ('UTC')",
    );
}

#[test]
fn explain_and_kill() {
    check_same("EXPLAIN SELECT a FROM b");
    check_same("EXPLAIN ANALYZE SELECT a INTO c FROM b");
    check_same("KILL QUERY 36");
    check_same("KILL QUERY 36 ON \"host:8088\"");
    check_same("SHOW QUERIES");
}

#[test]
fn removals() {
    check_same("DELETE FROM a");
    check_same("DELETE FROM rp.a");
    check_same("DELETE FROM /a/ WHERE b = 'c'");
    check_same("DELETE WHERE time < '2026-01-01'");
    check_same("DROP SERIES FROM a, /b/");
    check_same("DROP SERIES WHERE c = 'd'");
    check_same("DROP SERIES FROM a WHERE c = 'd'");
    check_same("DROP MEASUREMENT \"a b\"");
    check_same("DROP SHARD 3");
}

#[test]
fn show_measurements() {
    check_same("SHOW MEASUREMENTS");
    check_same("SHOW MEASUREMENTS ON db");
    check_same("SHOW MEASUREMENTS ON db.rp");
    check_same("SHOW MEASUREMENTS ON *.*");
    check_same("SHOW MEASUREMENTS ON db.*");
    check_same("SHOW MEASUREMENTS ON \"a-b\".\"1h\"");
    check_same("SHOW MEASUREMENTS WITH MEASUREMENT = cpu");
    check_same("SHOW MEASUREMENTS WITH MEASUREMENT =~ /c.*/");
    check("SHOW MEASUREMENTS WITH MEASUREMENT = /c/", "SHOW MEASUREMENTS WITH MEASUREMENT =~ /c/");
    check_same("SHOW MEASUREMENTS ON db WITH MEASUREMENT =~ /c/ WHERE host = 'a' ORDER BY time DESC LIMIT 10 OFFSET 5");
}

#[test]
fn show_keys_and_values() {
    check_same("SHOW TAG KEYS");
    check_same("SHOW TAG KEYS ON db FROM a, /b/ WHERE c = 'd' ORDER BY time ASC LIMIT 1 OFFSET 2 SLIMIT 3 SOFFSET 4");
    check_same("SHOW TAG KEYS FROM a WITH KEY IN (b, c) WHERE d = 'e'");
    check_same("SHOW TAG VALUES WITH KEY = host");
    check_same("SHOW TAG VALUES WITH KEY != \"a b\"");
    check_same("SHOW TAG VALUES WITH KEY =~ /h.*/");
    check_same("SHOW TAG VALUES WITH KEY !~ /h.*/");
    check_same("SHOW TAG VALUES WITH KEY IN (host, \"region x\")");
    check_same("SHOW TAG VALUES ON db FROM a WITH KEY = b WHERE c = 'd' ORDER BY time ASC LIMIT 1 OFFSET 2");
    check_same("SHOW FIELD KEYS");
    check_same("SHOW FIELD KEYS ON db FROM a ORDER BY time ASC LIMIT 1 OFFSET 2");
    check_same("SHOW SERIES");
    check_same("SHOW SERIES ON db FROM a, /b/ WHERE c = 'd' ORDER BY time DESC LIMIT 1 OFFSET 2");
    check("SHOW FIELD KEYS ON \"\"", "SHOW FIELD KEYS");
}

#[test]
fn show_cardinalities() {
    for exact in ["", " EXACT"] {
        for of in ["SERIES", "MEASUREMENT", "TAG KEY", "FIELD KEY"] {
            check_same(&format!("SHOW {of}{exact} CARDINALITY"));
            check_same(&format!(
                "SHOW {of}{exact} CARDINALITY ON db FROM a, /b/ WHERE c = 'd' GROUP BY e LIMIT 1 OFFSET 2"
            ));
        }
        check_same(&format!("SHOW TAG VALUES{exact} CARDINALITY WITH KEY = a"));
        check_same(&format!(
            "SHOW TAG VALUES{exact} CARDINALITY ON db FROM a WITH KEY IN (b, c) WHERE d = 'e' GROUP BY f LIMIT 1"
        ));
    }
}

#[test]
fn show_the_rest() {
    for what in [
        "DATABASES",
        "RETENTION POLICIES",
        "RETENTION POLICIES ON db",
        "CONTINUOUS QUERIES",
        "SUBSCRIPTIONS",
        "USERS",
        "GRANTS FOR \"a b\"",
        "SHARDS",
        "SHARD GROUPS",
        "STATS",
        "STATS FOR 'indexes'",
        "DIAGNOSTICS",
        "DIAGNOSTICS FOR 'build'",
    ] {
        check_same(&format!("SHOW {what}"));
    }
}

#[test]
fn databases_and_retention_policies() {
    check_same("CREATE DATABASE db");
    check_same("CREATE DATABASE \"my db\" WITH DURATION 1d REPLICATION 2 SHARD DURATION 30m NAME rp");
    check_same("CREATE DATABASE db WITH NAME rp");
    check_same("CREATE DATABASE db WITH REPLICATION 1");
    check("CREATE DATABASE db WITH DURATION INF", "CREATE DATABASE db WITH DURATION 0s");
    check_same("DROP DATABASE db");
    check_same("CREATE RETENTION POLICY rp ON db DURATION 2h REPLICATION 2");
    check_same("CREATE RETENTION POLICY rp ON db DURATION 2h REPLICATION 2 SHARD DURATION 30m DEFAULT");
    check(
        "CREATE RETENTION POLICY rp ON db DURATION inf REPLICATION 1 DEFAULT",
        "CREATE RETENTION POLICY rp ON db DURATION 0s REPLICATION 1 DEFAULT",
    );
    check_same("ALTER RETENTION POLICY rp ON db DURATION 1m REPLICATION 4 SHARD DURATION 10m DEFAULT");
    check(
        "ALTER RETENTION POLICY rp ON db DEFAULT SHARD DURATION 0s REPLICATION 4 DURATION INF",
        "ALTER RETENTION POLICY rp ON db DURATION 0s REPLICATION 4 SHARD DURATION 0s DEFAULT",
    );
    check(
        "ALTER RETENTION POLICY default ON db REPLICATION 4",
        "ALTER RETENTION POLICY \"default\" ON db REPLICATION 4",
    );
    check_same("DROP RETENTION POLICY \"1h.cpu\" ON db");
}

#[test]
fn continuous_queries_and_subscriptions() {
    check_same("CREATE CONTINUOUS QUERY q ON db BEGIN SELECT mean(a) INTO b FROM c GROUP BY time(5m) END");
    check_same(
        "CREATE CONTINUOUS QUERY q ON d RESAMPLE EVERY 1m FOR 1h BEGIN SELECT f(a) INTO b FROM d GROUP BY time(5m) END",
    );
    check_same(
        "CREATE CONTINUOUS QUERY q ON db RESAMPLE EVERY 1m BEGIN SELECT f(a) INTO b FROM c GROUP BY time(5m) END",
    );
    check_same("CREATE CONTINUOUS QUERY q ON db RESAMPLE FOR 1h BEGIN SELECT f(a) INTO b FROM c GROUP BY time(5m) END");
    check_same("CREATE CONTINUOUS QUERY \"this.is-a.test\" ON db BEGIN SELECT * INTO b FROM c END");
    check_same(
        "CREATE CONTINUOUS QUERY q ON db BEGIN SELECT mean(a) INTO rp.:MEASUREMENT FROM /x/ GROUP BY time(1m), * END",
    );
    check_same("DROP CONTINUOUS QUERY q ON db");
    check_same("CREATE SUBSCRIPTION s ON db.rp DESTINATIONS ANY 'udp://h1:9093', 'udp://h2:9093'");
    check_same("CREATE SUBSCRIPTION s ON \"a b\".\"1h\" DESTINATIONS ALL 'http://h'");
    check_same("DROP SUBSCRIPTION s ON db.rp");
}

#[test]
fn users_and_privileges() {
    check_same("DROP USER \"a b\"");
    for privilege in ["READ", "WRITE", "ALL PRIVILEGES"] {
        check_same(&format!("GRANT {privilege} ON db TO u"));
        check_same(&format!("REVOKE {privilege} ON db FROM u"));
    }
    check("GRANT ALL ON db TO u", "GRANT ALL PRIVILEGES ON db TO u");
    check("GRANT ALL TO u", "GRANT ALL PRIVILEGES TO u");
    check_same("GRANT ALL PRIVILEGES TO u");
    check("REVOKE ALL FROM u", "REVOKE ALL PRIVILEGES FROM u");
    check_same("REVOKE ALL PRIVILEGES FROM u");
}
