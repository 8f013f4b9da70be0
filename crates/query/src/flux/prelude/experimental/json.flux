// JSON as values.
package json

builtin parse : (data: bytes) => A
