// Tables out of a function of the row's number.
package generate

builtin from : (start: A, stop: B, count: int, fn: (n: int) => int) => stream[C]
