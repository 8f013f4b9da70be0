// The program that answers.
package runtime

builtin version : () => string
