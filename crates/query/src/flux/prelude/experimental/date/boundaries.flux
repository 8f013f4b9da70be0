// Package date/boundaries under its first import path.
package boundaries

import b "date/boundaries"

yesterday = b.yesterday
sunday = b.sunday
monday = b.monday
tuesday = b.tuesday
wednesday = b.wednesday
thursday = b.thursday
friday = b.friday
saturday = b.saturday
week = b.week
month = b.month
