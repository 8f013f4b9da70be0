// What a plan should look like: accepted, and not looked at.
package expect

planner = (rules) => true
