// Small tables to try functions on.
package sampledata

import "array"
import "internal/debug"

start = 2021-01-01T00:00:00Z
stop = 2021-01-01T00:01:00Z

_grouped = (rows) => array.from(rows: rows) |> group(columns: ["tag"])

_float = [
        {_time: 2021-01-01T00:00:00Z, _value: -2.18, tag: "t1"},
        {_time: 2021-01-01T00:00:10Z, _value: 10.92, tag: "t1"},
        {_time: 2021-01-01T00:00:20Z, _value: 7.35, tag: "t1"},
        {_time: 2021-01-01T00:00:30Z, _value: 17.53, tag: "t1"},
        {_time: 2021-01-01T00:00:40Z, _value: 15.23, tag: "t1"},
        {_time: 2021-01-01T00:00:50Z, _value: 4.43, tag: "t1"},
        {_time: 2021-01-01T00:00:00Z, _value: 19.85, tag: "t2"},
        {_time: 2021-01-01T00:00:10Z, _value: 4.97, tag: "t2"},
        {_time: 2021-01-01T00:00:20Z, _value: -3.75, tag: "t2"},
        {_time: 2021-01-01T00:00:30Z, _value: 19.77, tag: "t2"},
        {_time: 2021-01-01T00:00:40Z, _value: 13.86, tag: "t2"},
        {_time: 2021-01-01T00:00:50Z, _value: 1.86, tag: "t2"},
    ]
_floatNull = [
        {_time: 2021-01-01T00:00:00Z, _value: -2.18, tag: "t1"},
        {_time: 2021-01-01T00:00:10Z, _value: debug.null(), tag: "t1"},
        {_time: 2021-01-01T00:00:20Z, _value: 7.35, tag: "t1"},
        {_time: 2021-01-01T00:00:30Z, _value: debug.null(), tag: "t1"},
        {_time: 2021-01-01T00:00:40Z, _value: debug.null(), tag: "t1"},
        {_time: 2021-01-01T00:00:50Z, _value: 4.43, tag: "t1"},
        {_time: 2021-01-01T00:00:00Z, _value: debug.null(), tag: "t2"},
        {_time: 2021-01-01T00:00:10Z, _value: 4.97, tag: "t2"},
        {_time: 2021-01-01T00:00:20Z, _value: -3.75, tag: "t2"},
        {_time: 2021-01-01T00:00:30Z, _value: 19.77, tag: "t2"},
        {_time: 2021-01-01T00:00:40Z, _value: debug.null(), tag: "t2"},
        {_time: 2021-01-01T00:00:50Z, _value: 1.86, tag: "t2"},
    ]
float = (includeNull=false) => _grouped(rows: if includeNull then _floatNull else _float)

_int = [
        {_time: 2021-01-01T00:00:00Z, _value: -2, tag: "t1"},
        {_time: 2021-01-01T00:00:10Z, _value: 10, tag: "t1"},
        {_time: 2021-01-01T00:00:20Z, _value: 7, tag: "t1"},
        {_time: 2021-01-01T00:00:30Z, _value: 17, tag: "t1"},
        {_time: 2021-01-01T00:00:40Z, _value: 15, tag: "t1"},
        {_time: 2021-01-01T00:00:50Z, _value: 4, tag: "t1"},
        {_time: 2021-01-01T00:00:00Z, _value: 19, tag: "t2"},
        {_time: 2021-01-01T00:00:10Z, _value: 4, tag: "t2"},
        {_time: 2021-01-01T00:00:20Z, _value: -3, tag: "t2"},
        {_time: 2021-01-01T00:00:30Z, _value: 19, tag: "t2"},
        {_time: 2021-01-01T00:00:40Z, _value: 13, tag: "t2"},
        {_time: 2021-01-01T00:00:50Z, _value: 1, tag: "t2"},
    ]
_intNull = [
        {_time: 2021-01-01T00:00:00Z, _value: -2, tag: "t1"},
        {_time: 2021-01-01T00:00:10Z, _value: debug.null(), tag: "t1"},
        {_time: 2021-01-01T00:00:20Z, _value: 7, tag: "t1"},
        {_time: 2021-01-01T00:00:30Z, _value: debug.null(), tag: "t1"},
        {_time: 2021-01-01T00:00:40Z, _value: debug.null(), tag: "t1"},
        {_time: 2021-01-01T00:00:50Z, _value: 4, tag: "t1"},
        {_time: 2021-01-01T00:00:00Z, _value: debug.null(), tag: "t2"},
        {_time: 2021-01-01T00:00:10Z, _value: 4, tag: "t2"},
        {_time: 2021-01-01T00:00:20Z, _value: -3, tag: "t2"},
        {_time: 2021-01-01T00:00:30Z, _value: 19, tag: "t2"},
        {_time: 2021-01-01T00:00:40Z, _value: debug.null(), tag: "t2"},
        {_time: 2021-01-01T00:00:50Z, _value: 1, tag: "t2"},
    ]
int = (includeNull=false) => _grouped(rows: if includeNull then _intNull else _int)

_uint = [
        {_time: 2021-01-01T00:00:00Z, _value: uint(v: -2), tag: "t1"},
        {_time: 2021-01-01T00:00:10Z, _value: uint(v: 10), tag: "t1"},
        {_time: 2021-01-01T00:00:20Z, _value: uint(v: 7), tag: "t1"},
        {_time: 2021-01-01T00:00:30Z, _value: uint(v: 17), tag: "t1"},
        {_time: 2021-01-01T00:00:40Z, _value: uint(v: 15), tag: "t1"},
        {_time: 2021-01-01T00:00:50Z, _value: uint(v: 4), tag: "t1"},
        {_time: 2021-01-01T00:00:00Z, _value: uint(v: 19), tag: "t2"},
        {_time: 2021-01-01T00:00:10Z, _value: uint(v: 4), tag: "t2"},
        {_time: 2021-01-01T00:00:20Z, _value: uint(v: -3), tag: "t2"},
        {_time: 2021-01-01T00:00:30Z, _value: uint(v: 19), tag: "t2"},
        {_time: 2021-01-01T00:00:40Z, _value: uint(v: 13), tag: "t2"},
        {_time: 2021-01-01T00:00:50Z, _value: uint(v: 1), tag: "t2"},
    ]
_uintNull = [
        {_time: 2021-01-01T00:00:00Z, _value: uint(v: -2), tag: "t1"},
        {_time: 2021-01-01T00:00:10Z, _value: debug.null(), tag: "t1"},
        {_time: 2021-01-01T00:00:20Z, _value: uint(v: 7), tag: "t1"},
        {_time: 2021-01-01T00:00:30Z, _value: debug.null(), tag: "t1"},
        {_time: 2021-01-01T00:00:40Z, _value: debug.null(), tag: "t1"},
        {_time: 2021-01-01T00:00:50Z, _value: uint(v: 4), tag: "t1"},
        {_time: 2021-01-01T00:00:00Z, _value: debug.null(), tag: "t2"},
        {_time: 2021-01-01T00:00:10Z, _value: uint(v: 4), tag: "t2"},
        {_time: 2021-01-01T00:00:20Z, _value: uint(v: -3), tag: "t2"},
        {_time: 2021-01-01T00:00:30Z, _value: uint(v: 19), tag: "t2"},
        {_time: 2021-01-01T00:00:40Z, _value: debug.null(), tag: "t2"},
        {_time: 2021-01-01T00:00:50Z, _value: uint(v: 1), tag: "t2"},
    ]
uint = (includeNull=false) => _grouped(rows: if includeNull then _uintNull else _uint)

_string = [
        {_time: 2021-01-01T00:00:00Z, _value: "smpl_g9qczs", tag: "t1"},
        {_time: 2021-01-01T00:00:10Z, _value: "smpl_0mgv9n", tag: "t1"},
        {_time: 2021-01-01T00:00:20Z, _value: "smpl_phw664", tag: "t1"},
        {_time: 2021-01-01T00:00:30Z, _value: "smpl_guvzy4", tag: "t1"},
        {_time: 2021-01-01T00:00:40Z, _value: "smpl_5v3cce", tag: "t1"},
        {_time: 2021-01-01T00:00:50Z, _value: "smpl_s9fmgy", tag: "t1"},
        {_time: 2021-01-01T00:00:00Z, _value: "smpl_b5eida", tag: "t2"},
        {_time: 2021-01-01T00:00:10Z, _value: "smpl_eu4oxp", tag: "t2"},
        {_time: 2021-01-01T00:00:20Z, _value: "smpl_5g7tz4", tag: "t2"},
        {_time: 2021-01-01T00:00:30Z, _value: "smpl_sox1ut", tag: "t2"},
        {_time: 2021-01-01T00:00:40Z, _value: "smpl_wfm757", tag: "t2"},
        {_time: 2021-01-01T00:00:50Z, _value: "smpl_dtn2bv", tag: "t2"},
    ]
_stringNull = [
        {_time: 2021-01-01T00:00:00Z, _value: "smpl_g9qczs", tag: "t1"},
        {_time: 2021-01-01T00:00:10Z, _value: debug.null(), tag: "t1"},
        {_time: 2021-01-01T00:00:20Z, _value: "smpl_phw664", tag: "t1"},
        {_time: 2021-01-01T00:00:30Z, _value: debug.null(), tag: "t1"},
        {_time: 2021-01-01T00:00:40Z, _value: debug.null(), tag: "t1"},
        {_time: 2021-01-01T00:00:50Z, _value: "smpl_s9fmgy", tag: "t1"},
        {_time: 2021-01-01T00:00:00Z, _value: debug.null(), tag: "t2"},
        {_time: 2021-01-01T00:00:10Z, _value: "smpl_eu4oxp", tag: "t2"},
        {_time: 2021-01-01T00:00:20Z, _value: "smpl_5g7tz4", tag: "t2"},
        {_time: 2021-01-01T00:00:30Z, _value: "smpl_sox1ut", tag: "t2"},
        {_time: 2021-01-01T00:00:40Z, _value: debug.null(), tag: "t2"},
        {_time: 2021-01-01T00:00:50Z, _value: "smpl_dtn2bv", tag: "t2"},
    ]
string = (includeNull=false) => _grouped(rows: if includeNull then _stringNull else _string)

_bool = [
        {_time: 2021-01-01T00:00:00Z, _value: true, tag: "t1"},
        {_time: 2021-01-01T00:00:10Z, _value: true, tag: "t1"},
        {_time: 2021-01-01T00:00:20Z, _value: false, tag: "t1"},
        {_time: 2021-01-01T00:00:30Z, _value: true, tag: "t1"},
        {_time: 2021-01-01T00:00:40Z, _value: false, tag: "t1"},
        {_time: 2021-01-01T00:00:50Z, _value: false, tag: "t1"},
        {_time: 2021-01-01T00:00:00Z, _value: false, tag: "t2"},
        {_time: 2021-01-01T00:00:10Z, _value: true, tag: "t2"},
        {_time: 2021-01-01T00:00:20Z, _value: false, tag: "t2"},
        {_time: 2021-01-01T00:00:30Z, _value: true, tag: "t2"},
        {_time: 2021-01-01T00:00:40Z, _value: true, tag: "t2"},
        {_time: 2021-01-01T00:00:50Z, _value: false, tag: "t2"},
    ]
_boolNull = [
        {_time: 2021-01-01T00:00:00Z, _value: true, tag: "t1"},
        {_time: 2021-01-01T00:00:10Z, _value: debug.null(), tag: "t1"},
        {_time: 2021-01-01T00:00:20Z, _value: false, tag: "t1"},
        {_time: 2021-01-01T00:00:30Z, _value: debug.null(), tag: "t1"},
        {_time: 2021-01-01T00:00:40Z, _value: debug.null(), tag: "t1"},
        {_time: 2021-01-01T00:00:50Z, _value: false, tag: "t1"},
        {_time: 2021-01-01T00:00:00Z, _value: debug.null(), tag: "t2"},
        {_time: 2021-01-01T00:00:10Z, _value: true, tag: "t2"},
        {_time: 2021-01-01T00:00:20Z, _value: false, tag: "t2"},
        {_time: 2021-01-01T00:00:30Z, _value: true, tag: "t2"},
        {_time: 2021-01-01T00:00:40Z, _value: debug.null(), tag: "t2"},
        {_time: 2021-01-01T00:00:50Z, _value: false, tag: "t2"},
    ]
bool = (includeNull=false) => _grouped(rows: if includeNull then _boolNull else _bool)

_numericBool = [
        {_time: 2021-01-01T00:00:00Z, _value: 1, tag: "t1"},
        {_time: 2021-01-01T00:00:10Z, _value: 1, tag: "t1"},
        {_time: 2021-01-01T00:00:20Z, _value: 0, tag: "t1"},
        {_time: 2021-01-01T00:00:30Z, _value: 1, tag: "t1"},
        {_time: 2021-01-01T00:00:40Z, _value: 0, tag: "t1"},
        {_time: 2021-01-01T00:00:50Z, _value: 0, tag: "t1"},
        {_time: 2021-01-01T00:00:00Z, _value: 0, tag: "t2"},
        {_time: 2021-01-01T00:00:10Z, _value: 1, tag: "t2"},
        {_time: 2021-01-01T00:00:20Z, _value: 0, tag: "t2"},
        {_time: 2021-01-01T00:00:30Z, _value: 1, tag: "t2"},
        {_time: 2021-01-01T00:00:40Z, _value: 1, tag: "t2"},
        {_time: 2021-01-01T00:00:50Z, _value: 0, tag: "t2"},
    ]
_numericBoolNull = [
        {_time: 2021-01-01T00:00:00Z, _value: 1, tag: "t1"},
        {_time: 2021-01-01T00:00:10Z, _value: debug.null(), tag: "t1"},
        {_time: 2021-01-01T00:00:20Z, _value: 0, tag: "t1"},
        {_time: 2021-01-01T00:00:30Z, _value: debug.null(), tag: "t1"},
        {_time: 2021-01-01T00:00:40Z, _value: debug.null(), tag: "t1"},
        {_time: 2021-01-01T00:00:50Z, _value: 0, tag: "t1"},
        {_time: 2021-01-01T00:00:00Z, _value: debug.null(), tag: "t2"},
        {_time: 2021-01-01T00:00:10Z, _value: 1, tag: "t2"},
        {_time: 2021-01-01T00:00:20Z, _value: 0, tag: "t2"},
        {_time: 2021-01-01T00:00:30Z, _value: 1, tag: "t2"},
        {_time: 2021-01-01T00:00:40Z, _value: debug.null(), tag: "t2"},
        {_time: 2021-01-01T00:00:50Z, _value: 0, tag: "t2"},
    ]
numericBool = (includeNull=false) => _grouped(rows: if includeNull then _numericBoolNull else _numericBool)
