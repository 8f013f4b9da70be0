// Streams that pass through unchanged, for tests.
package debug

builtin null : (?type: string) => A
builtin pass : (<-tables: stream[A]) => stream[A]
builtin slurp : (<-tables: stream[A]) => stream[A]
builtin opaque : (<-tables: stream[A]) => stream[A]
builtin sink : (<-tables: stream[A]) => stream[A]

option vectorize = false
getOption = (pkg, name) => die(msg: "debug.getOption is not supported")
