// The functions of package array under their first import path.
package array

import a "array"

from = (rows=<-) => a.from(rows: rows)
concat = (arr=<-, v) => a.concat(arr: arr, v: v)
filter = (arr=<-, fn) => a.filter(arr: arr, fn: fn)
map = (arr=<-, fn) => a.map(arr: arr, fn: fn)
toBool = (arr=<-) => arr |> map(fn: (x) => bool(v: x))
toDuration = (arr=<-) => arr |> map(fn: (x) => duration(v: x))
toFloat = (arr=<-) => arr |> map(fn: (x) => float(v: x))
toInt = (arr=<-) => arr |> map(fn: (x) => int(v: x))
toString = (arr=<-) => arr |> map(fn: (x) => string(v: x))
toTime = (arr=<-) => arr |> map(fn: (x) => time(v: x))
toUInt = (arr=<-) => arr |> map(fn: (x) => uint(v: x))
