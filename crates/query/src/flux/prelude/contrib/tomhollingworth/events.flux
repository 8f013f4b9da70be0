// How long events last.
package events

builtin duration : (
        <-tables: stream[A],
        ?unit: duration,
        ?columnName: string,
        ?timeColumn: string,
        ?stopColumn: string,
        ?stop: time,
    ) => stream[B]
