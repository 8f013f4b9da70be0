package array

builtin from : (<-rows: [A]) => stream[A]
builtin concat : (<-arr: [A], v: [A]) => [A]
builtin filter : (<-arr: [A], fn: (x: A) => bool) => [A]
builtin map : (<-arr: [A], fn: (x: A) => B) => [B]

toBool = (arr=<-) => arr |> map(fn: (x) => bool(v: x))
toDuration = (arr=<-) => arr |> map(fn: (x) => duration(v: x))
toFloat = (arr=<-) => arr |> map(fn: (x) => float(v: x))
toInt = (arr=<-) => arr |> map(fn: (x) => int(v: x))
toString = (arr=<-) => arr |> map(fn: (x) => string(v: x))
toTime = (arr=<-) => arr |> map(fn: (x) => time(v: x))
toUInt = (arr=<-) => arr |> map(fn: (x) => uint(v: x))
