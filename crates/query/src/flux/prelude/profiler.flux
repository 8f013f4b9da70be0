// Switches of InfluxDB's profiler: accepted, and not looked at.
package profiler

option enabledProfilers = [""]
