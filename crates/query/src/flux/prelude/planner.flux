// Switches of InfluxDB's planner: accepted, and not looked at.
package planner

option disablePhysicalRules = [""]
option disableLogicalRules = [""]
