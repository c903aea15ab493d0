package operations

import (
	"bytes"
	"runtime/pprof"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"butler/internal/logx"
)

// The calls that tell an engineer what the process does and what its memory holds. A
// profile has names of functions and addresses, but no values of the program.

// The time that a CPU profile takes, in seconds. The longest leaves time for the answer
// within web.RequestTimeout.
const (
	defaultProfile = 10
	longestProfile = 25
)

// profileCPU answers with what the process spends its CPU time on from now on. The
// runtime takes one such profile at a time, for the whole process.
func (s *operations) profileCPU(ctx *fasthttp.RequestCtx) {
	duration, ok := profileTime(ctx)
	if !ok {
		return
	}
	var out bytes.Buffer
	if err := pprof.StartCPUProfile(&out); err != nil {
		fail(ctx, errProfiling, err.Error())
		return
	}
	s.opts.Log.Info("CPU profile begun", logx.Delay(duration))
	s.pause(duration)
	pprof.StopCPUProfile() // everything is in out when it returns
	respondFile(ctx, "butler-cpu.pprof", "application/octet-stream", out.Bytes())
}

// profileHeap answers with what the memory is used for, as of the last garbage collection.
func (s *operations) profileHeap(ctx *fasthttp.RequestCtx) {
	s.respondProfile(ctx, "heap", 0, "butler-heap.pprof", "application/octet-stream")
}

// profileGoroutines answers with the stack of every goroutine, as text for people.
func (s *operations) profileGoroutines(ctx *fasthttp.RequestCtx) {
	const asPanicDoes = 2 // each goroutine on its own, with its state and how long it has waited
	s.respondProfile(ctx, "goroutine", asPanicDoes, "butler-goroutines.txt", "text/plain; charset=utf-8")
}

func (s *operations) respondProfile(ctx *fasthttp.RequestCtx, profile string, form int, file, contentType string) {
	var out bytes.Buffer
	if err := pprof.Lookup(profile).WriteTo(&out, form); err != nil {
		s.opts.Log.Warn("profile could not be written", zap.String("profile", profile), logx.Err(err))
		fail(ctx, errInternal, err.Error())
		return
	}
	respondFile(ctx, file, contentType, out.Bytes())
}

// respondFile answers with a file to be saved.
func respondFile(ctx *fasthttp.RequestCtx, name, contentType string, body []byte) {
	ctx.Response.Header.Set("X-Content-Type-Options", "nosniff")
	ctx.Response.Header.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	ctx.SetContentType(contentType)
	ctx.SetBody(body)
}

// profileTime reads how long a CPU profile takes.
func profileTime(ctx *fasthttp.RequestCtx) (time.Duration, bool) {
	seconds, wrong := numberIn(ctx.QueryArgs(), "seconds", defaultProfile, 1, longestProfile)
	if wrong != "" {
		fail(ctx, errBadRequest, wrong)
		return 0, false
	}
	return time.Duration(seconds) * time.Second, true
}

// pause returns after a time, or when the server shuts down, which does not wait for a profile.
func (s *operations) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.stopped:
	}
}
