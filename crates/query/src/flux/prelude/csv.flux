package csv

builtin from : (?csv: string, ?file: string, ?mode: string, ?url: string) => stream[A]
