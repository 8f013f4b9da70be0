package array

builtin from : (<-rows: [A]) => stream[A]
