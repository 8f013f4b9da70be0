// Secrets of the organisation, for those who may read them.
package secrets

builtin get : (key: string) => string
