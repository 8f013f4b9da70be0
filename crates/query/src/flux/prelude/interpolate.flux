// Values between points.
package interpolate

builtin linear : (<-tables: stream[A], every: duration) => stream[A]
