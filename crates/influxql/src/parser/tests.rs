//! Every rule of the grammar: what is read, as it is printed again, and what is refused, in InfluxDB's words.

use super::*;
use crate::ast::{DataType, Fill, Page, Reference};
use crate::parameters::Scalar;

mod errors;
mod statements;

/// The text parses and prints like this, and what is printed parses to the same tree.
fn check(text: &str, printed: &str) {
    let options = ParseOptions::default();
    let query = parse_query(text, &options).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(query.to_string(), printed, "{text}");
    assert_eq!(parse_query(printed, &options), Ok(query), "{text}");
}

/// The text prints as it is.
fn check_same(text: &str) {
    check(text, text);
}

fn check_expression(text: &str, printed: &str) {
    let options = ParseOptions::default();
    let expression = parse_expression(text, &options).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(expression.to_string(), printed, "{text}");
    assert_eq!(parse_expression(printed, &options), Ok(expression), "{text}");
}

/// How the operands are grouped, with all parentheses.
fn check_groups(text: &str, expected: &str) {
    fn groups(expression: &Expression) -> String {
        match expression {
            Expression::Binary(binary) => {
                format!("[{} {} {}]", groups(&binary.left), binary.operator, groups(&binary.right))
            }
            Expression::Paren(inner) => format!("({})", groups(inner)),
            other => other.to_string(),
        }
    }
    let expression = parse_expression(text, &ParseOptions::default()).unwrap();
    assert_eq!(groups(&expression), expected, "{text}");
}

fn check_error(text: &str, expected: &str) {
    match parse_query(text, &ParseOptions::default()) {
        Ok(query) => panic!("{text}: {query}"),
        Err(error) => assert_eq!(error.to_string(), expected, "{text}"),
    }
}

/// The text parses to this, and so does what it prints.
fn check_value(text: &str, expected: Expression) {
    for text in [text, &expected.to_string()] {
        assert_eq!(parse_expression(text, &ParseOptions::default()).as_ref(), Ok(&expected), "{text}");
    }
}

#[test]
fn identifiers() {
    check_value("my_Ident1", Expression::reference("my_Ident1"));
    check_value("_x", Expression::reference("_x"));
    check_value(r#""a b""#, Expression::reference("a b"));
    check_value(r#""say \"hi\" \\ \n \'""#, Expression::reference("say \"hi\" \\ \n '"));
    check_value(r#""select""#, Expression::reference("select"));
    check_value(r#""""#, Expression::reference(""));
    check_value(r#""é""#, Expression::reference("é"));
    check_value("a.b.c", Expression::reference("a.b.c"));
    check_value("\"a\".\"b c\"", Expression::reference("a.b c"));
    check_expression("\"quoted\"", "quoted");
    check_expression("\"1st\"", "\"1st\"");
    check_expression("a.b", "\"a.b\"");
    check_expression("\"In\"", "\"In\"");
}

#[test]
fn strings() {
    for (text, string) in [
        ("''", ""),
        (r"'it\'s'", "it's"),
        (r"'a\nb\\c\'d'", "a\nb\\c'd"),
        (r#"'\"'"#, "\""),
        (r#"'"'"#, "\""),
        ("'2026-04-01T00:00:00Z'", "2026-04-01T00:00:00Z"),
        ("'µ and \t'", "µ and \t"),
    ] {
        check_value(text, Expression::String(string.to_owned()));
    }
    check_error("SELECT 'it''s' FROM b", "found s, expected FROM at line 1, char 11");
    check_error(
        "SELECT a FROM b WHERE c = 'open",
        "found open, expected identifier, string, number, bool at line 1, char 26",
    );
    check_error(
        "SELECT a FROM b WHERE c = 'line\n'",
        "found line, expected identifier, string, number, bool at line 1, char 26",
    );
    check_error(
        r"SELECT a FROM b WHERE c = 'x\d'",
        r"found \d, expected identifier, string, number, bool at line 1, char 30",
    );
}

#[test]
fn numbers() {
    check_value("100", Expression::Integer(100));
    check_value("-100", Expression::Integer(-100));
    check_value("+100", Expression::Integer(100));
    check_value("- 100", Expression::Integer(-100));
    check_value("9223372036854775807", Expression::Integer(i64::MAX));
    check_value("9223372036854775808", Expression::Unsigned(1 << 63));
    check_value("18446744073709551615", Expression::Unsigned(u64::MAX));
    check_value("-9223372036854775808", Expression::Integer(i64::MIN));
    check_value("100.0", Expression::Number(100.0));
    check_value("100.", Expression::Number(100.0));
    check_value(".23", Expression::Number(0.23));
    check_value("-.23", Expression::Number(-0.23));
    check_value("0.1000", Expression::Number(0.1));
    check_value("0.00001", Expression::Number(0.00001));
    check_value("100000000000000000000000.0", Expression::Number(1e23));
    check_expression("1.50", "1.5");
    check_expression("2.", "2.0");
    check_error("SELECT a FROM b WHERE c = 18446744073709551616", "unable to parse integer at line 1, char 27");
    check_error("SELECT a FROM b WHERE c = -9223372036854775809", "constant -9223372036854775809 underflows int64");
    check_error(&format!("SELECT {}.0 FROM b", "9".repeat(400)), "unable to parse number at line 1, char 8");
    check_error("SELECT 10.5h FROM b", "found h, expected FROM at line 1, char 12");
    check_error("SELECT -+1 FROM b", "found +, expected identifier, number, duration, ( at line 1, char 9");
}

#[test]
fn durations_booleans_and_wildcards() {
    check_value("10ns", Expression::Duration(Duration(10)));
    check_value("10u", Expression::Duration(Duration(10_000)));
    check_value("10µ", Expression::Duration(Duration(10_000)));
    check_value("1h30m", Expression::Duration(Duration(5_400_000_000_000)));
    check_value("-2w", Expression::Duration(Duration(-1_209_600_000_000_000)));
    check_value("true", Expression::Boolean(true));
    check_value("FALSE", Expression::Boolean(false));
    check_expression("*", "*");
    check_expression("*::field", "*::field");
    check_expression("*::TAG", "*::tag");
    check_expression("90m", "90m");
    check_error("SELECT a FROM b WHERE time > now() - 1y", "invalid duration");
    check_error(
        "SELECT a FROM b WHERE time > now() - 15251w",
        "overflowed duration 15251w: choose a smaller duration or INF",
    );
    check_error("SELECT *::float FROM b", "found float, expected field, tag at line 1, char 11");
}

#[test]
fn casts() {
    for (word, data_type) in [
        ("float", DataType::Float),
        ("integer", DataType::Integer),
        ("unsigned", DataType::Unsigned),
        ("string", DataType::String),
        ("boolean", DataType::Boolean),
        ("tag", DataType::Tag),
        ("field", DataType::Field),
    ] {
        let reference = Reference { name: "value".to_owned(), data_type: Some(data_type) };
        check_value(&format!("value::{word}"), Expression::Reference(reference.clone()));
        check_value(&format!("\"value\"::{}", word.to_uppercase()), Expression::Reference(reference));
    }
    check_expression("a::float + b::integer", "a::float + b::integer");
    check_error(
        "SELECT v::double FROM b",
        "found double, expected float, integer, unsigned, string, boolean, field, tag at line 1, char 11",
    );
    check_error(
        "SELECT v::1 FROM b",
        "found 1, expected float, integer, string, boolean, field, tag at line 1, char 11",
    );
}

#[test]
fn regular_expressions() {
    check_expression("host =~ /^a.*/", "host =~ /^a.*/");
    check_expression("host!~/a/", "host !~ /a/");
    check_expression(r"url =~ /http\:\/\/x\.y/", r"url =~ /http\:\/\/x\.y/");
    check_expression("host =~ //", "host =~ //");
    check_expression(r"host =~ /\\d/", r"host =~ /\\d/");
    check_expression("f(/a/, b)", "f(/a/, b)");
    check_expression("f(a,/b/)", "f(a, /b/)");
    check_expression("a / b / c", "a / b / c");
    let regex = |text: &str| Expression::Regex(text.to_owned());
    check_value(r"a =~ /x\/y/", Expression::binary(Expression::reference("a"), crate::Operator::Matches, regex("x/y")));
    check_error("SELECT a FROM b WHERE host =~ 'asd'", "found asd, expected regex at line 1, char 30");
    check_error("SELECT a FROM b WHERE host =~ /asd", "bad regex:  at line 1, char 30");
    check_error("SELECT a FROM b WHERE host =~ /asd\n/", "bad regex:  at line 1, char 30");
    check_error("SELECT a FROM b WHERE host =~", "found EOF, expected regex at line 1, char 31");
}

#[test]
fn operators_by_precedence() {
    check_groups("1 + 2 * 3", "[1 + [2 * 3]]");
    check_groups("1 * 2 + 3", "[[1 * 2] + 3]");
    check_groups("1 - 2 - 3", "[[1 - 2] - 3]");
    check_groups("1+2-3", "[[1 + 2] - 3]");
    check_groups("a / b % c & d", "[[[a / b] % c] & d]");
    check_groups("a | b ^ c & d", "[[a | b] ^ [c & d]]");
    check_groups("(1 + 2) * 3", "[([1 + 2]) * 3]");
    check_groups("a = 1 OR b = 2 AND c = 3", "[[a = 1] OR [[b = 2] AND [c = 3]]]");
    check_groups("a > 1 = b < 2", "[[[a > 1] = b] < 2]");
    check_groups("v + 3 < 30 AND 1 + 2 OR true", "[[[[v + 3] < 30] AND [1 + 2]] OR true]");
    check_groups("time>now()-5m", "[time > [now() - 5m]]");
    check_groups("a =~ /x/ AND b !~ /y/", "[[a =~ /x/] AND [b !~ /y/]]");
    check_groups("a <> 1 and a != 2 And a >= 3 AND a <= 4", "[[[[a != 1] AND [a != 2]] AND [a >= 3]] AND [a <= 4]]");
    check_error("SELECT a FROM b WHERE c IN (d)", "found IN, expected ; at line 1, char 25");
}

#[test]
fn signs() {
    check_groups("-value", "[-1 * value]");
    check_groups("+value", "[1 * value]");
    check_groups("-mean(value)", "[-1 * mean(value)]");
    check_groups("-(-4)", "[-1 * (-4)]");
    check_groups("-2 * 3", "[-2 * 3]");
    check_groups("a - -b", "[a - [-1 * b]]");
    check_groups("-a % b", "[[-1 * a] % b]");
    // Regression: InfluxDB prints this without parentheses, which divides by -1 and then multiplies.
    check_groups("a / -b", "[a / ([-1 * b])]");
    check_expression("a / -b * c", "a / (-1 * b) * c");
    check_expression("a - -1", "a - -1");
    check_expression("a-1", "a - 1");
}

#[test]
fn a_tree_of_any_shape_prints_with_the_parentheses_it_needs() {
    let [a, b, c] = ["a", "b", "c"].map(Expression::reference);
    let sum = Expression::binary(a, crate::Operator::Add, b);
    let product = Expression::binary(sum.clone(), crate::Operator::Multiply, c.clone());
    assert_eq!(product.to_string(), "(a + b) * c");
    assert_eq!(Expression::binary(c, crate::Operator::Subtract, sum).to_string(), "c - (a + b)");
}

#[test]
fn calls() {
    check_expression("now()", "now()");
    check_expression("now( )", "now()");
    check_expression("MEAN( value )", "mean(value)");
    check_expression("percentile(value, 90.5)", "percentile(value, 90.5)");
    check_expression("top(v,host,3)", "top(v, host, 3)");
    check_expression("count(*)", "count(*)");
    check_expression("count(DISTINCT v)", "count(DISTINCT v)");
    check_expression("count(distinct(v))", "count(distinct(v))");
    check_expression("DISTINCT v", "DISTINCT v");
    check_expression("distinct \"a b\"", "DISTINCT \"a b\"");
    check_expression("derivative(mean(v), 1s) / 2", "derivative(mean(v), 1s) / 2");
    check_expression("f(a + 1, 'x')", "f(a + 1, 'x')");
    check_error("SELECT f(a b) FROM c", "found b, expected ) at line 1, char 12");
    check_error("SELECT f(a,) FROM c", "found ), expected identifier, string, number, bool at line 1, char 12");
    check_error("SELECT f(", "found EOF, expected identifier, string, number, bool at line 1, char 11");
    check_error("SELECT f (a) FROM c", "found (, expected FROM at line 1, char 10");
    check_error("SELECT distinct FROM m", "found FROM, expected identifier at line 1, char 17");
    check_error("SELECT count(distinct) FROM m", "found ), expected (, identifier at line 1, char 22");
}

#[test]
fn blanks_and_comments() {
    check("SELECT a FROM b -- all of it", "SELECT a FROM b");
    check("-- first\nSELECT a FROM b", "SELECT a FROM b");
    check("SELECT /* x */ a /* y\n * z */, b/**/FROM c", "SELECT a, b FROM c");
    check("\tSELECT\r\n a\rFROM\nb ", "SELECT a FROM b");
    check("SELECT a--b\nFROM c", "SELECT a FROM c");
    check("SELECT a FROM b WHERE c =~ /* x */ /d/", "SELECT a FROM b WHERE c =~ /d/");
    check_error("SELECT a /* FROM b", "found ILLEGAL, expected FROM at line 1, char 10");
    check_error("SELECT a # FROM b", "found #, expected FROM at line 1, char 10");
    check_error("SELECT a\0FROM b", "found \0, expected FROM at line 1, char 9");
    check_error("SELECT é FROM b", "found é, expected identifier, string, number, bool at line 1, char 8");
}

#[test]
fn positions_count_lines_and_characters() {
    check_error("SELECT a\nFROM b\n  WHERE )", "found ), expected identifier, string, number, bool at line 3, char 9");
    check_error("SELECT a\r\nFROM )", "found ), expected identifier at line 2, char 6");
    check_error("SELECT \"µµ\" )", "found ), expected FROM at line 1, char 13");
    check_error("SELECT a FROM b\nWHERE c =~\n'x'", "found x, expected regex at line 2, char 11");
    // The end stands where it is behind a number, a quote or a sign, and one further behind a word or a blank.
    check_error("SELECT a", "found EOF, expected FROM at line 1, char 10");
    check_error("SELECT a ", "found EOF, expected FROM at line 1, char 11");
    check_error("SELECT \"a\"", "found EOF, expected FROM at line 1, char 11");
    check_error("SELECT 1", "found EOF, expected FROM at line 1, char 9");
    check_error("SELECT a,", "found EOF, expected identifier, string, number, bool at line 1, char 11");
    check_error("SELECT a FROM b WHERE c >", "found EOF, expected identifier, string, number, bool at line 1, char 26");
}

#[test]
fn several_statements() {
    check("SELECT a FROM b; SELECT c FROM d;", "SELECT a FROM b;\nSELECT c FROM d");
    check(";;SHOW USERS;;SHOW QUERIES", "SHOW USERS;\nSHOW QUERIES");
    check("", "");
    check(" -- nothing", "");
    check_error("SHOW USERS SHOW QUERIES", "found SHOW, expected ; at line 1, char 12");
    let options = ParseOptions::default();
    assert_eq!(parse_statement("SHOW USERS;", &options), Ok(Statement::ShowUsers));
    assert!(parse_statement("SHOW USERS; SHOW USERS", &options).is_err());
    assert!(parse_statement("", &options).is_err());
}

/// The text with these parameters.
fn parse_with(parameters: Vec<(&str, Parameter)>, text: &str) -> Result<String, String> {
    let parameters = parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let options = ParseOptions { parameters: Some(&parameters), ..ParseOptions::default() };
    parse_query(text, &options).map(|query| query.to_string()).map_err(|error| error.to_string())
}

#[test]
fn parameters_stand_for_a_token() {
    fn check(name: &str, value: Parameter, text: &str, printed: &str) {
        assert_eq!(parse_with(vec![(name, value)], text), Ok(printed.to_owned()), "{text}");
    }
    let text = |text: &str| text.to_owned();
    check("v", Parameter::Integer(5), "SELECT a FROM b WHERE c = $v", "SELECT a FROM b WHERE c = 5");
    check("v", Parameter::Integer(-5), "SELECT a FROM b WHERE c = $v", "SELECT a FROM b WHERE c = -5");
    check("v", Parameter::Integer(-5), "SELECT a FROM b WHERE c = -$v", "SELECT a FROM b WHERE c = 5");
    check("v", Parameter::Number(2.0), "SELECT a FROM b WHERE c = $v", "SELECT a FROM b WHERE c = 2.0");
    check("v", Parameter::Boolean(true), "SELECT a FROM b WHERE c = $v", "SELECT a FROM b WHERE c = true");
    check(
        "v",
        Parameter::String(text("x' OR 1")),
        "SELECT a FROM b WHERE c = $v",
        r"SELECT a FROM b WHERE c = 'x\' OR 1'",
    );
    check("v", Parameter::Regex(text("a/b")), "SELECT a FROM b WHERE c =~ $v", r"SELECT a FROM b WHERE c =~ /a\/b/");
    check("v", Parameter::Regex(text("x")), "SELECT $v FROM $v GROUP BY $v", "SELECT /x/ FROM /x/ GROUP BY /x/");
    check(
        "v",
        Parameter::Duration(text("10m")),
        "SELECT f(a) FROM b GROUP BY time($v)",
        "SELECT f(a) FROM b GROUP BY time(10m)",
    );
    check("m", Parameter::Identifier(text("a b")), "SELECT count($m) FROM $m", "SELECT count(\"a b\") FROM \"a b\"");
    check("a b", Parameter::Integer(1), "SELECT a FROM b LIMIT $\"a b\"", "SELECT a FROM b LIMIT 1");
    check("db", Parameter::Identifier(text("x")), "CREATE DATABASE $db", "CREATE DATABASE x");
}

#[test]
fn parameters_of_no_use() {
    fn check(value: Parameter, text: &str, expected: &str) {
        assert_eq!(parse_with(vec![("v", value)], text), Err(expected.to_owned()), "{text}");
    }
    let string = || Parameter::String("x".to_owned());
    let condition = "SELECT a FROM b WHERE c = $v";
    check(string(), "SELECT a FROM b WHERE c = $w", "missing parameter: w");
    check(string(), "SELECT a FROM b WHERE c = $$", "empty bound parameter");
    check(string(), "SELECT a FROM b LIMIT $v", "found x, expected integer at line 1, char 23");
    check(
        string(),
        "$v",
        "found x, expected SELECT, DELETE, SHOW, CREATE, DROP, EXPLAIN, GRANT, REVOKE, ALTER, SET, KILL \
         at line 1, char 1",
    );
    check(Parameter::Integer(-1), "SELECT a FROM b LIMIT $v", "LIMIT must be >= 0 at line 1, char 23");
    check(Parameter::Number(f64::NAN), condition, "unable to parse number at line 1, char 27");
    check(Parameter::Duration("1".to_owned()), condition, "invalid duration");
    check(
        Parameter::Regex("a\\".to_owned()),
        "SELECT a FROM b WHERE c =~ $v",
        "error parsing regexp: trailing backslash at end of expression: `` at line 1, char 28",
    );
    check(
        Parameter::Regex("*".to_owned()),
        "SELECT a FROM $v",
        "error parsing regexp: missing argument to repetition operator: `*` at line 1, char 15",
    );
    check(Scalar::Other.into(), condition, "unable to bind parameter with type <nil>");
    let object = |kind: &str, value| Parameter::from_object(vec![(kind.to_owned(), value)]);
    for (kind, value, message) in [
        ("identifier", Scalar::Integer(1), "identifier must be a string value"),
        ("regex", Scalar::Other, "regex literal must be a string value"),
        ("string", Scalar::Boolean(true), "string literal must be a string value"),
        ("number", Scalar::Boolean(true), "number literal must be a float value"),
        ("integer", Scalar::Number(1.0), "integer literal must be an integer value"),
        ("duration", Scalar::Number(1.0), "duration literal must be a string or integer value"),
        ("time", Scalar::Integer(1), "unknown bind object type: time"),
    ] {
        check(object(kind, value), condition, message);
    }
    let two = vec![("regex".to_owned(), Scalar::Other), ("string".to_owned(), Scalar::Other)];
    check(Parameter::from_object(two), condition, "bound object parameter value must have exactly one entry");
    assert_eq!(
        parse_with(vec![("v", object("duration", Scalar::Integer(60_000_000_000)))], condition),
        Ok("SELECT a FROM b WHERE c = 1m".to_owned())
    );
    assert_eq!(
        parse_with(vec![("v", object("number", Scalar::Integer(6)))], condition),
        Ok("SELECT a FROM b WHERE c = 6.0".to_owned())
    );
    check_error(
        "$SHOW$DATABASES",
        "found $SHOW, expected SELECT, DELETE, SHOW, CREATE, DROP, EXPLAIN, GRANT, REVOKE, ALTER, SET, KILL \
         at line 1, char 1",
    );
    check_error("SELECT a FROM b WHERE c = $w", "missing parameter: w");
}

#[test]
fn regular_expressions_and_zones_are_checked_on_request() {
    let options = ParseOptions {
        regex_error: Some(|text| (text == "[").then(|| "missing closing ]".to_owned())),
        zone_exists: Some(|name| name == "Europe/Paris"),
        ..ParseOptions::default()
    };
    let error = |text| parse_query(text, &options).map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(error("SELECT a FROM /x/ tz('Europe/Paris')"), Ok(()));
    assert_eq!(error("SELECT a FROM /[/"), Err("missing closing ] at line 1, char 14".to_owned()));
    assert_eq!(error("SELECT a FROM b tz('Mars/X')"), Err("unable to find time zone Mars/X".to_owned()));
}

/// Small stacks overflow at the limits if anything does; a test runs on two megabytes.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn limits_are_reached_without_a_stack_overflow() {
    on_a_small_stack(|| {
        let limits = Limits::default();
        let condition = |condition: String| format!("SELECT a FROM b WHERE {condition}");
        // The condition is the first level.
        let parens = |depth: usize| condition(format!("{}a{}", "(".repeat(depth), ")".repeat(depth)));
        let steps = |depth: usize| {
            let step = "a OR a AND a = a + a * (";
            condition(format!("{}a{}", step.repeat(depth), ")".repeat(depth)))
        };
        let calls = |depth: usize| condition(format!("{}a{}", "f(".repeat(depth), ")".repeat(depth)));
        let subqueries = |depth: usize| {
            format!("{}b{}", "SELECT a FROM (".repeat(depth), ")".repeat(depth)).replace("(b", "(SELECT a FROM b")
        };
        let chain = |operators: usize| condition(format!("a = 1{}", " OR a = 1".repeat(operators)));
        let deepest = limits.nesting - 1;
        for text in [parens(deepest), steps(deepest), calls(deepest), subqueries(deepest), chain(limits.height - 2)] {
            let query = parse_query(&text, &ParseOptions::default()).unwrap();
            let copy = query.clone();
            assert_eq!(parse_query(&query.to_string(), &ParseOptions::default()), Ok(copy));
        }
        let deep = "nested too deep: more than 50 levels";
        for text in [
            parens(deepest + 1),
            calls(deepest + 1),
            subqueries(deepest + 1),
            parens(100_000),
            "SELECT ".to_owned() + &"(".repeat(500_000),
        ] {
            let error = parse_query(&text, &ParseOptions::default()).unwrap_err().to_string();
            assert!(error.starts_with(deep), "{error}");
        }
        for operators in [limits.height - 1, 100_000] {
            let error = parse_query(&chain(operators), &ParseOptions::default()).unwrap_err().to_string();
            assert!(error.starts_with("expression too long: more than 1000 operators at line 1, char "), "{error}");
        }
    });
}

#[test]
fn heights_add_up_over_levels() {
    let limits = Limits { height: 10, ..Limits::default() };
    let options = ParseOptions { limits, ..ParseOptions::default() };
    let parses = |text: &str| parse_expression(text, &options).is_ok();
    assert!(parses("a+a+a+a+a+a+a+a+a+a"));
    assert!(!parses("a+a+a+a+a+a+a+a+a+a+a"));
    // The parenthesis has a height of six; each of the operators behind it lifts it by one.
    assert!(parses("(a+a+a+a+a)+a+a+a+a"));
    assert!(!parses("(a+a+a+a+a)+a+a+a+a+a"));
    assert!(!parses("f(a+a+a+a+a)+a+a+a+a+a"));
    assert!(parses("f(a+a+a+a+a, a+a+a)+a*a+a+a"));
}

#[test]
fn texts_and_statements_have_limits() {
    let limits = Limits { text_bytes: 30, statements: 2, ..Limits::default() };
    let options = ParseOptions { limits, ..ParseOptions::default() };
    let error = |text: &str| parse_query(text, &options).map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(error("SHOW USERS;SHOW USERS;"), Ok(()));
    assert_eq!(error("SHOW USERS;SHOW USERS;SHOW S"), Err("too many statements in one query: more than 2".to_owned()));
    assert_eq!(error(&" ".repeat(31)), Err("query too long: 31 > 30 bytes".to_owned()));
}

#[test]
fn errors_quote_a_part_of_what_is_long() {
    let long = "é".repeat(1_000);
    let expected = format!("found {}…, expected FROM at line 1, char 9", "é".repeat(512));
    check_error(&format!("SELECT a '{long}'"), &expected);
    let error = parse_query(&format!("SELECT a{} FROM b", ".a".repeat(100_000)), &ParseOptions::default());
    assert!(error.unwrap_err().to_string().len() < 1_200);
}

#[test]
fn passwords_are_not_printed() {
    let statement = parse_statement("CREATE USER u WITH PASSWORD 'secret'", &ParseOptions::default()).unwrap();
    assert_eq!(statement.to_string(), "CREATE USER u WITH PASSWORD [REDACTED]");
    assert!(!format!("{statement:?}").contains("secret"));
    let statement = parse_statement("SET PASSWORD FOR u = 'secret'", &ParseOptions::default()).unwrap();
    assert_eq!(statement.to_string(), "SET PASSWORD FOR u = [REDACTED]");
}

#[test]
fn fill_and_pages_are_values() {
    let select = |text: &str| match parse_statement(text, &ParseOptions::default()) {
        Ok(Statement::Select(select)) => *select,
        other => panic!("{other:?}"),
    };
    assert_eq!(select("SELECT a FROM b").fill, Fill::Null);
    assert_eq!(select("SELECT a FROM b fill(null)").fill, Fill::Null);
    assert_eq!(select("SELECT a FROM b fill(-1)").fill, Fill::Integer(-1));
    assert_eq!(select("SELECT a FROM b fill(1.5)").fill, Fill::Number(1.5));
    assert_eq!(select("SELECT a FROM b LIMIT 0").page, Page::default());
    assert_eq!(select("SELECT a FROM b LIMIT 3 OFFSET 4").page, Page { limit: Some(3), offset: 4 });
    assert_eq!(select("SELECT a FROM b LIMIT 99999999999999999999").page.limit, Some(i64::MAX as u64));
    assert!(select("SELECT a, DISTINCT b FROM c").is_raw());
    assert!(!select("SELECT 2 * (1 + mean(a)) FROM c").is_raw());
}
