package web

import (
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"
)

// Problem is the error response of the REST API and of the pages, in the form that
// existing clients know.
type Problem struct {
	StatusCode int `json:"statusCode"`
	// Code names the cause where there is a name for it.
	Code    string `json:"code,omitempty"`
	Reason  string `json:"error"`
	Message string `json:"message"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Message }

// Problemf makes an error of a status; the reason is that of the status.
func Problemf(status int, code, message string, args ...any) *Problem {
	return &Problem{StatusCode: status, Code: code, Reason: http.StatusText(status), Message: fmt.Sprintf(message, args...)}
}

// The codes that clients know.
const (
	CodeValidation  = "FST_ERR_VALIDATION"
	CodeInvalidJSON = "FST_ERR_CTP_INVALID_JSON_BODY"
	CodeMediaType   = "FST_ERR_CTP_INVALID_MEDIA_TYPE"
	CodeTooLarge    = "FST_ERR_CTP_BODY_TOO_LARGE"
)

// Unreadable returns the answer to a request that could not be read.
func Unreadable(err error) *Problem {
	if errors.Is(err, fasthttp.ErrBodyTooLarge) {
		return Problemf(http.StatusRequestEntityTooLarge, CodeTooLarge, "Request body is too large")
	}
	if _, ok := errors.AsType[*fasthttp.ErrSmallBuffer](err); ok {
		return Problemf(http.StatusRequestHeaderFieldsTooLarge, "", "the headers are larger than %d bytes", MaxHead)
	}
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return Problemf(http.StatusRequestTimeout, "", "the request did not arrive within %s", RequestTimeout)
	}
	return Problemf(http.StatusBadRequest, "", "the request is not valid HTTP")
}

// Fail answers with an error. One that is not a Problem is an internal error.
func Fail(ctx *fasthttp.RequestCtx, err error) {
	told, ok := errors.AsType[*Problem](err)
	if !ok {
		told = Problemf(http.StatusInternalServerError, "", "%s", err.Error())
	}
	ctx.ResetBody()
	ctx.SetStatusCode(told.StatusCode)
	WriteJSON(ctx, told)
}

// Rescue recovers a panic of a handler and answers with an internal error. Defer it.
func Rescue(ctx *fasthttp.RequestCtx, log *zap.Logger) {
	if cause := recover(); cause != nil {
		log.Error("handler panicked", zap.String("route", string(ctx.Path())), zap.Any("panic", cause), zap.Stack("stack"))
		Fail(ctx, Problemf(http.StatusInternalServerError, "", "the service could not answer; its log says why"))
	}
}
