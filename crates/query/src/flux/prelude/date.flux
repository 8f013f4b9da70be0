// Parts of times, and calculations with them.
package date

builtin _second : (t: T, ?location: {zone: string, offset: duration}) => int where T: Timeable
second = (t, location=location) => _second(t: t, location: location)
builtin _minute : (t: T, ?location: {zone: string, offset: duration}) => int where T: Timeable
minute = (t, location=location) => _minute(t: t, location: location)
builtin _hour : (t: T, ?location: {zone: string, offset: duration}) => int where T: Timeable
hour = (t, location=location) => _hour(t: t, location: location)
builtin _weekDay : (t: T, ?location: {zone: string, offset: duration}) => int where T: Timeable
weekDay = (t, location=location) => _weekDay(t: t, location: location)
builtin _monthDay : (t: T, ?location: {zone: string, offset: duration}) => int where T: Timeable
monthDay = (t, location=location) => _monthDay(t: t, location: location)
builtin _yearDay : (t: T, ?location: {zone: string, offset: duration}) => int where T: Timeable
yearDay = (t, location=location) => _yearDay(t: t, location: location)
builtin _month : (t: T, ?location: {zone: string, offset: duration}) => int where T: Timeable
month = (t, location=location) => _month(t: t, location: location)
builtin _year : (t: T, ?location: {zone: string, offset: duration}) => int where T: Timeable
year = (t, location=location) => _year(t: t, location: location)
builtin _week : (t: T, ?location: {zone: string, offset: duration}) => int where T: Timeable
week = (t, location=location) => _week(t: t, location: location)
builtin _quarter : (t: T, ?location: {zone: string, offset: duration}) => int where T: Timeable
quarter = (t, location=location) => _quarter(t: t, location: location)
builtin _millisecond : (t: T, ?location: {zone: string, offset: duration}) => int where T: Timeable
millisecond = (t, location=location) => _millisecond(t: t, location: location)
builtin _microsecond : (t: T, ?location: {zone: string, offset: duration}) => int where T: Timeable
microsecond = (t, location=location) => _microsecond(t: t, location: location)
builtin _nanosecond : (t: T, ?location: {zone: string, offset: duration}) => int where T: Timeable
nanosecond = (t, location=location) => _nanosecond(t: t, location: location)

builtin _truncate : (t: T, unit: duration, ?location: {zone: string, offset: duration}) => time where T: Timeable
truncate = (t, unit, location=location) => _truncate(t: t, unit: unit, location: location)
builtin _time : (t: T) => time where T: Timeable
time = (t, location=location) => _time(t: t)
builtin _add : (d: duration, to: T, ?location: {zone: string, offset: duration}) => time where T: Timeable
add = (d, to, location=location) => _add(d: d, to: to, location: location)
builtin _sub : (d: duration, from: T, ?location: {zone: string, offset: duration}) => time where T: Timeable
sub = (d, from, location=location) => _sub(d: d, from: from, location: location)
builtin scale : (d: duration, n: int) => duration

Sunday = 0
Monday = 1
Tuesday = 2
Wednesday = 3
Thursday = 4
Friday = 5
Saturday = 6

January = 1
February = 2
March = 3
April = 4
May = 5
June = 6
July = 7
August = 8
September = 9
October = 10
November = 11
December = 12
