// Comparing what a script gives with what it should give.
package testing

import "array"
import "experimental"

option tags = []
option loadStorage = (csv) => die(msg: "testing.loadStorage is not set")
option load = (tables=<-) => tables

builtin assertEquals : (<-got: stream[A], name: string, want: stream[A]) => stream[A]
builtin assertEmpty : (<-tables: stream[A]) => stream[A]
builtin diff : (<-got: stream[A], want: stream[A], ?verbose: bool, ?epsilon: float, ?nansEqual: bool) => stream[B]

assertEqualValues = (got, want) => diff(got: array.from(rows: [{v: got}]), want: array.from(rows: [{v: want}]))
shouldError = (fn, want) => {
    caught = experimental.catch(fn: fn)
    message = if exists caught.msg then caught.msg else die(msg: "the function should fail, but does not")

    return if message =~ want then
        array.from(rows: [{msg: message}]) |> filter(fn: (r) => false)
    else
        die(msg: "the function should fail with another message, but says: ${message}")
}
shouldErrorWithCode = (fn, want, code) => {
    caught = experimental.catch(fn: fn)

    return if caught.code == code then
        shouldError(fn: fn, want: want)
    else
        die(msg: "the function should fail with another code")
}
