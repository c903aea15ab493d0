package operations

import (
	"net/http"

	"github.com/valyala/fasthttp"

	"butler/api/web"
)

// apiError is a row of the error table: a stable code, a status, what it means
// and how to fix it.
type apiError struct {
	Code   int    `json:"code"`
	Status int    `json:"status"`
	Error  string `json:"error"`
	Remedy string `json:"remedy"`
}

// The errors of the API. Codes never change their meaning.
var (
	errBadRequest = apiError{40001, http.StatusBadRequest, "bad request", "correct the request and send it again"}
	errForbidden  = apiError{40301, http.StatusForbidden, "forbidden", "call from the machine that runs the service"}
	errNotFound   = apiError{40401, http.StatusNotFound, "no such page", "see / for the pages that are there"}
	errUnknown    = apiError{40402, http.StatusNotFound, "no such destination", "name an instance, or the destination that it is one of"}
	errMethod     = apiError{40501, http.StatusMethodNotAllowed, "method not allowed", "use the documented method"}
	errTooSlow    = apiError{40801, http.StatusRequestTimeout, "request too slow", "send the whole request within 30 seconds"}
	errPartly     = apiError{40901, http.StatusConflict, "not everything was done", "list what is parked, and repeat it for the rest"}
	errProfiling  = apiError{40902, http.StatusConflict, "a CPU profile is already being taken", "wait until it has ended, 25 seconds at the most, and repeat the call"}
	errOther      = apiError{41201, http.StatusPreconditionFailed, "another service answers, nothing was changed", "give the service that is meant an operations.port of its own, or name the address of the one that answers with --address"}
	errTooLarge   = apiError{41301, http.StatusRequestEntityTooLarge, "body too large", "send 1 MiB at the most"}
	errHeaders    = apiError{43101, http.StatusRequestHeaderFieldsTooLarge, "headers too large", "send 16 KiB of headers at the most"}
	errInternal   = apiError{50001, http.StatusInternalServerError, "internal error", "see the log of the service"}
	errNotReady   = apiError{50301, http.StatusServiceUnavailable, "not ready", "wait, or see /health for the reason"}
)

// DestinationError is returned by an Admin for a name that is no destination.
type DestinationError struct{ Err error }

func (e DestinationError) Error() string { return e.Err.Error() }

func (e DestinationError) Unwrap() error { return e.Err }

// fail answers with a row of the table and what is special about this case.
func fail(ctx *fasthttp.RequestCtx, row apiError, detail string) {
	ctx.ResetBody()
	ctx.SetStatusCode(row.Status)
	web.WriteJSON(ctx, struct {
		apiError
		Detail string `json:"detail,omitempty"`
	}{row, detail})
}

// PartlyError is returned by an Admin for a change that was made for some of the
// notices it was meant for, and not for others.
type PartlyError struct{ Err error }

// Error implements error.
func (e PartlyError) Error() string { return e.Err.Error() }

// Unwrap returns what went wrong with the things.
func (e PartlyError) Unwrap() error { return e.Err }

// failPartly answers a change that was made for count notices and failed for the rest.
func failPartly(ctx *fasthttp.RequestCtx, count int, detail string) {
	ctx.SetStatusCode(errPartly.Status)
	web.WriteJSON(ctx, struct {
		apiError
		Detail string `json:"detail"`
		Count  int    `json:"count"`
	}{errPartly, detail, count})
}
