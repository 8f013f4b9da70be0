// Package bitwise under its first import path.
package bitwise

import b "bitwise"

uand = b.uand
uor = b.uor
uxor = b.uxor
uclear = b.uclear
unot = b.unot
ulshift = b.ulshift
urshift = b.urshift
sand = b.sand
sor = b.sor
sxor = b.sxor
sclear = b.sclear
snot = b.snot
slshift = b.slshift
srshift = b.srshift
