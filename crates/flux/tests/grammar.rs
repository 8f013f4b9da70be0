//! Every rule of the grammar, as small scripts with their trees.

mod trees;

use trees::{check_round_trips, parse_default, short};

/// The script is right and has this tree.
#[track_caller]
fn check(source: &str, expected: &str) {
    let parsed = parse_default(source);
    assert_eq!(parsed.errors, [], "{source}");
    assert_eq!(short(&parsed.file), expected, "{source}");
    check_round_trips(&parsed.file);
}

#[test]
fn words() {
    check("a _b c1 é", "a; _b; c1; é");
    check("with extends where true stream dynamic in test", "with; extends; where; true; stream; dynamic; in; test");
    check("android orders nothing", "android; orders; nothing");
}

#[test]
fn integers_and_floats() {
    check("0", "0");
    check("9223372036854775807", "9223372036854775807");
    check("1.5", "1.5");
    check("1.", "1.0");
    check(".5", "0.5");
    check("01.50", "1.5");
    check("1e3", "1; e3");
}

#[test]
fn durations() {
    check("1h30m", "1h30m");
    check("1y2mo3w4d5h6m7s8ms9us1ns", "1y2mo3w4d5h6m7s8ms9us1ns");
    check("9µs", "9us");
    check("1mo", "1mo");
    check("1m2", "1m; 2");
    check("1h x", "1h; x");
    check("-1d", "(- 1d)");
}

#[test]
fn times() {
    check("2026-04-01", "2026-04-01T00:00:00Z");
    check("2026-04-01T10:20:30Z", "2026-04-01T10:20:30Z");
    check("2026-04-01T10:20:30.12300Z", "2026-04-01T10:20:30.123Z");
    check("2026-04-01T10:20:30-07:00", "2026-04-01T10:20:30-07:00");
    check("2026-10-1", "(- (- 2026 10) 1)");
    check("2026-10-01T1", "2026-10-01T00:00:00Z; T1");
}

#[test]
fn strings() {
    check(r#""""#, r#""""#);
    check("\"a\nb\"", r#""a\nb""#);
    check(r#""\n\r\t\\\"\${x}""#, r#""\n\r\t\\\"${x}""#);
    check(r#""\xe6\x97\xa5""#, "\"日\"");
    check(r#""costs 5$""#, r#""costs 5$""#);
    check(r#""$a$$b""#, r#""$a$$b""#);
    check(r#""$${a}""#, r#""$${a}""#);
}

#[test]
fn string_expressions() {
    check(r#""${a}""#, "(string a)");
    check(r#""x${a}y""#, r#"(string "x" a "y")"#);
    check(r#""${a}${b}""#, "(string a b)");
    check(r#""${a + "${b}"} $""#, r#"(string (+ a (string b)) " " "$")"#);
    check(r#""${f(r: {a: "}"})}""#, r#"(string (call f {r:{a:"}"}}))"#);
    check("\"a\n${b}\n\\\"c\\\"\"", r#"(string "a\n" b "\n\"c\"")"#);
}

#[test]
fn regular_expressions() {
    check("/a/", "/a/");
    check(r"/a\/b\\/", r"/a/b\\/");
    check("a =~ /b c/", "(=~ a /b c/)");
    check("a !~ /b/ and c", "(and (!~ a /b/) c)");
    check("a / b / c", "(/ (/ a b) c)");
    check("[/a/, /b/]", "[/a/ /b/]");
    check("f(x: /a/)", "(call f {x:/a/})");
    check("a // comment\n/ b", "(/ a b)");
}

#[test]
fn operators_by_precedence() {
    check("a or b and c", "(or a (and b c))");
    check("a and b or c", "(or (and a b) c)");
    check("not a and b", "(and (not a) b)");
    check("not a == b", "(not (== a b))");
    check("not exists not a", "(not (exists (not a)))");
    check("exists a.b or c", "(or (exists (. a b)) c)");
    check("a == b + c", "(== a (+ b c))");
    check("a + b * c", "(+ a (* b c))");
    check("a * b ^ c", "(* a (^ b c))");
    check("a ^ b |> c()", "(^ a (|> b (call c)))");
    check("1 + x |> f()", "(+ 1 (|> x (call f)))");
    check("-a |> f()", "(|> (- a) (call f))");
    check("-a.b", "(- (. a b))");
    check("- + - a", "(- (+ (- a)))");
    check("a - -b", "(- a (- b))");
}

#[test]
fn all_operators_lean_to_the_left() {
    check("a or b or c", "(or (or a b) c)");
    check("a and b and c", "(and (and a b) c)");
    check("a == b != c < d <= e > f >= g =~ h !~ i", "(!~ (=~ (>= (> (<= (< (!= (== a b) c) d) e) f) g) h) i)");
    check("a + b - c", "(- (+ a b) c)");
    check("a * b / c % d", "(% (/ (* a b) c) d)");
    check("a ^ b ^ c", "(^ (^ a b) c)");
    check("a |> b() |> c()", "(|> (|> a (call b)) (call c))");
}

#[test]
fn parentheses() {
    check("(a)", "(paren a)");
    check("(a + b) * c", "(* (paren (+ a b)) c)");
    check("((1))", "(paren (paren 1))");
    check("(a.b)", "(paren (. a b))");
    check("(-a)", "(paren (- a))");
    check("(() => 1)()", "(call (paren (fn () 1)))");
    check("(if a then b else c) + 1", "(+ (paren (if a b c)) 1)");
}

#[test]
fn conditionals() {
    check("if a then b else c", "(if a b c)");
    check("if a then b else if c then d else e", "(if a b (if c d e))");
    check("if if a then b else c then d else e", "(if (if a b c) d e)");
    check("x = if a == 1 or b then f(x: 2) else -3", "x = (if (or (== a 1) b) (call f {x:2}) (- 3))");
}

#[test]
fn calls_members_and_indexes() {
    check("f()", "(call f)");
    check("f(a: 1, b: 2,)", "(call f {a:1 b:2})");
    check("f(a, b)", "(call f {a b})");
    check("f(\"a\": 1)", "(call f {\"a\":1})");
    check("a.b.c", "(. (. a b) c)");
    check("a[\"b\"]", "(. a \"b\")");
    check("a[0][i + 1]", "(at (at a 0) (+ i 1))");
    check("f(a: 1)(b: 2).c[0]", "(at (. (call (call f {a:1}) {b:2}) c) 0)");
    check("a\n(b: 1)", "(call a {b:1})");
    check("a\n[0]", "(at a 0)");
    check("f(fn: (r) => r.a)", "(call f {fn:(fn (r) (. r a))})");
}

#[test]
fn arrays_and_dictionaries() {
    check("[]", "[]");
    check("[1]", "[1]");
    check("[1, 2,]", "[1 2]");
    check("[[1], []]", "[[1] []]");
    check("[:]", "[:]");
    check("[a: 1]", "[a:1]");
    check("[\"a\": 1, b + c: 2,]", "[\"a\":1 (+ b c):2]");
    // InfluxDB takes this too.
    check("[1, 2 3]", "[1 2 3]");
}

#[test]
fn records() {
    check("{}", "{}");
    check("{a: 1, \"b c\": 2,}", "{a:1 \"b c\":2}");
    check("{a, b}", "{a b}");
    check("{r with a: 1}", "{r with a:1}");
    check("{r with a, b}", "{r with a b}");
    check("{with: 1}", "{with:1}");
    check("{a: {b: {}}}", "{a:{b:{}}}");
}

#[test]
fn functions() {
    check("() => 1", "(fn () 1)");
    check("(a) => a", "(fn (a) a)");
    check("(a, b=2, c=<-,) => a", "(fn (a b:2 c:<-) a)");
    check("(t=<-) => t |> f()", "(fn (t:<-) (|> t (call f)))");
    check("(a) => ({a: 1})", "(fn (a) (paren {a:1}))");
    check("(a) => { b = a return b }", "(fn (a) {b = a; return b})");
    check("() => () => 1", "(fn () (fn () 1))");
    check("(a) => {}", "(fn (a) {})");
    check("() => ({a: 1}).a", "(fn () (. (paren {a:1}) a))");
    check("() => ({a: 1}.a)", "(fn () (paren (. {a:1} a)))");
}

#[test]
fn labels() {
    check("f(a: .b)", "(call f {a:.b})");
    check("[.a, .\"b c\"]", "[.a .b c]");
    check("x = .a", "x = .a");
}

#[test]
fn clauses() {
    check("package a", "package a");
    check("import \"a/b\"", "import \"a/b\"");
    check("package a import b \"c\" import \"d\" x", "package a; import \"c\" as b; import \"d\"; x");
}

#[test]
fn statements() {
    check("a = 1 b = 2", "a = 1; b = 2");
    check("a\n=\n1", "a = 1");
    check("return a", "return a");
    check("1 \"a\" 1h 2026-01-01 <- {} not a if a then b else c", {
        "1; \"a\"; 1h; 2026-01-01T00:00:00Z; <-; {}; (not a); (if a b c)"
    });
    check("/a/", "/a/");
    check("x = 1 /a/ 2", "x = (/ (/ 1 a) 2)");
}

#[test]
fn options() {
    check("option now = () => 2026-01-01", "option now = (fn () 2026-01-01T00:00:00Z)");
    check("option task = {name: \"a\", every: 1h}", "option task = {name:\"a\" every:1h}");
    check("option a.b = 1", "option (. a b) = 1");
}

#[test]
fn test_cases() {
    check("testcase a { b = 1 c }", "testcase a {b = 1; c}");
    check("testcase a extends \"b/c\" { d() }", "testcase a extends \"b/c\" {(call d)}");
    check("testcase a { testcase b {} }", "testcase a {testcase b {}}");
}

#[test]
fn attributes() {
    check("@edition(\"2022.1\") package a", "package a");
    check("@a import \"b\" @c(1, d) x = 1 @e y", "@a() import \"b\"; @c(1 d) x = 1; @e() y");
    check("@a @b(1) c", "@a() @b(1) c");
    check("f = () => { @a b = 1 return b }", "f = (fn () {@a() b = 1; return b})");
}

#[test]
fn builtins_with_types() {
    check("builtin a : int", "builtin a: int");
    check("builtin a : A", "builtin a: 'A");
    check("builtin a : dynamic", "builtin a: dynamic");
    check("builtin a : [int]", "builtin a: (array int)");
    check("builtin a : [string:[int]]", "builtin a: (dict string (array int))");
    check("builtin a : stream[A]", "builtin a: (stream 'A)");
    check("builtin a : vector[float]", "builtin a: (vector float)");
    check("builtin a : {}", "builtin a: {}");
    check("builtin a : {b: int, \"c\": A}", "builtin a: {b:int \"c\":'A}");
    check("builtin a : {A with b: int}", "builtin a: {with Ab:int}");
    check("builtin a : () => int", "builtin a: (() => int)");
    check("builtin a : (<-x: T, ?y: U, z: V) => R", "builtin a: ((<-x:'T ?y:'U z:'V) => 'R)");
    check("builtin a : (<-: T, ?y: string = \"d\") => R", "builtin a: ((<-:'T ?y:string=\"d\") => 'R)");
    check("builtin a : (f: (r: A) => bool) => stream[A] where A: Record, B: Numeric + Comparable b", {
        "builtin a: ((f:((r:'A) => bool)) => (stream 'A)) where A:Record B:Numeric+Comparable; b"
    });
}

#[test]
fn comments_and_blanks() {
    check("// a\n1 // b\n// c", "1");
    check("//\n//", "");
    check("", "");
    check(" \t\r\n\u{b}\u{c}a", "a");
    check("\"// no comment\"", "\"// no comment\"");
}
