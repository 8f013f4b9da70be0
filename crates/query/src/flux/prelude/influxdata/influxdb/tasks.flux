// What a task knows of its runs.
package tasks

import "date"

_never = 1970-01-01T00:00:00Z

option lastSuccessTime = _never
lastSuccess = (orTime, lastSuccessTime=lastSuccessTime) =>
    if lastSuccessTime == _never then date.time(t: orTime) else lastSuccessTime
