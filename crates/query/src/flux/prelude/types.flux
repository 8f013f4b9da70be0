// What a value is.
package types

builtin isType : (v: A, type: string) => bool
builtin isNumeric : (v: A) => bool
