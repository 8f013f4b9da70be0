// Joins of tables with the same group key.
package join

builtin tables : (
        <-left: stream[L],
        right: stream[R],
        on: (l: L, r: R) => bool,
        as: (l: L, r: R) => A,
        method: string,
    ) => stream[A]

inner = (left=<-, right, on, as) => tables(left: left, right: right, on: on, as: as, method: "inner")
left = (left=<-, right, on, as) => tables(left: left, right: right, on: on, as: as, method: "left")
right = (left=<-, right, on, as) => tables(left: left, right: right, on: on, as: as, method: "right")
full = (left=<-, right, on, as) => tables(left: left, right: right, on: on, as: as, method: "full")
time = (left=<-, right, as, method="inner") =>
    tables(left: left, right: right, on: (l, r) => l._time == r._time, as: as, method: method)
