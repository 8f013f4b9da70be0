// Start and stop of days, weeks and months around now.
package boundaries

import "date"

// Midnight some days from today, on the clock of the location: noon of that day, cut to the day.
_midnight = (days) => {
    today = date.truncate(t: now(), unit: 1d)
    noon = date.add(d: 12h, to: date.add(d: date.scale(d: 1d, n: days), to: today))

    return date.truncate(t: noon, unit: 1d)
}

// The latest such day of the week before today.
_last = (weekday) => {
    back = (date.weekDay(t: now()) - weekday + 6) % 7 + 1

    return {start: _midnight(days: -back), stop: _midnight(days: 1 - back)}
}

yesterday = () => ({start: _midnight(days: -1), stop: _midnight(days: 0)})
sunday = () => _last(weekday: 0)
monday = () => _last(weekday: 1)
tuesday = () => _last(weekday: 2)
wednesday = () => _last(weekday: 3)
thursday = () => _last(weekday: 4)
friday = () => _last(weekday: 5)
saturday = () => _last(weekday: 6)

week = (start_sunday=false, week_offset=0) => {
    first = if start_sunday then 0 else 1
    start = week_offset * 7 - (date.weekDay(t: now()) - first + 7) % 7

    return {start: _midnight(days: start), stop: _midnight(days: start + 7)}
}
month = (month_offset=0) => {
    start = date.add(d: date.scale(d: 1mo, n: month_offset), to: date.truncate(t: now(), unit: 1mo))

    return {start: start, stop: date.add(d: 1mo, to: start)}
}
