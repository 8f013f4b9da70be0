// Values as JSON.
package json

builtin encode : (v: A) => bytes
