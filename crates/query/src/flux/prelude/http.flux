// Requests to other servers.
package http

builtin post : (url: string, ?headers: A, ?data: bytes) => int
builtin basicAuth : (u: string, p: string) => string
builtin pathEscape : (inputString: string) => string

// A status that says that the request was taken.
_taken = (status) => string(v: status >= 200 and status < 300)

endpoint = (url) => (mapFn) => (tables=<-) => tables
    |> map(
        fn: (r) => {
            request = mapFn(r: r)

            return {r with _sent: _taken(status: post(url: url, headers: request.headers, data: request.data))}
        },
    )
