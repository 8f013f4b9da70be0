// Secrets of the organisation, which scripts do not reach here.
package secrets

builtin get : (key: string) => string
