package pages

import (
	"net/http"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"butler/api/sockets"
	"butler/api/web"
)

// Liveness is the answer to a health check, in the form that its clients know.
type Liveness struct {
	StatusCode int    `json:"statusCode"`
	Status     string `json:"status"`
	// Reason says what is wrong.
	Reason string `json:"reason,omitempty"`
}

// ListenLiveness binds the address at which GET /health says whether the service
// does its work. alive is asked at every call, and says why not. Serve starts answering.
func ListenLiveness(shared *sockets.Shared, address string, alive func() (bool, string)) (*web.Server, error) {
	listener, err := shared.Listen(address, "dockerHealthCheck.port", zap.NewNop())
	if err != nil {
		return nil, err
	}
	handle := func(ctx *fasthttp.RequestCtx) {
		switch {
		case string(ctx.Path()) != "/health":
			web.Fail(ctx, web.Problemf(http.StatusNotFound, "", "Route %s:%s not found", ctx.Method(), ctx.Path()))
		case !ctx.IsGet() && !ctx.IsHead():
			web.Fail(ctx, web.Problemf(http.StatusMethodNotAllowed, "", "use GET"))
		default:
			answer := Liveness{StatusCode: http.StatusOK, Status: "ok"}
			if ok, reason := alive(); !ok {
				answer = Liveness{StatusCode: http.StatusInternalServerError, Status: "ko", Reason: reason}
			}
			ctx.SetStatusCode(answer.StatusCode)
			web.WriteJSON(ctx, answer)
		}
	}
	broken := func(ctx *fasthttp.RequestCtx, err error) { web.Fail(ctx, web.Unreadable(err)) }
	server := web.New(listener, handle, broken, nil)
	server.LimitBodies(web.NoLargeBody)
	return server, nil
}
