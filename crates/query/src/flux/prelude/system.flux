// The moment of the query.
package system

time = () => queryTime()
