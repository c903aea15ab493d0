package bare_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"butler/bench/bare"
	"butler/bench/load"
)

func TestSearch_endsCloseToTheLimitOfEachSide(t *testing.T) {
	for _, limit := range []int{0, 700, 3_300, 20_000, 130_001, 999_999, 5_000_000} {
		want := min(limit, search.Limit) // no higher rate is tried
		tried := 0
		found, err := search.Highest(t.Context(), upTo(limit, &tried), upTo(2*limit, new(int)))
		if err != nil || found[0] > want || float64(found[0]) < 0.96*float64(want) {
			t.Errorf("want a rate just below %d, got %v, %v", want, found, err)
		}
		if tried > 60 {
			t.Errorf("limit %d: want three short searches, got %d trials", limit, tried)
		}
	}
}

// search is a Search whose time limit does not matter.
var search = bare.Search{From: 20_000, Limit: 1_000_000, Rounds: 3, Most: time.Minute}

// upTo returns a side that loses nothing up to a rate.
func upTo(limit int, tried *int) bare.Trial {
	return func(_ context.Context, rate int) (int, error) {
		*tried++
		return max(0, rate-limit), nil
	}
}

func TestSearch_oneBusyMomentDecidesNothing(t *testing.T) {
	trials := 0
	found, err := search.Highest(t.Context(), func(_ context.Context, rate int) (int, error) {
		trials++
		if trials == 2 || trials > 8 && trials < 12 { // one in the first climb, and three in a row later on
			return 1, nil
		}
		return max(0, rate-300_000), nil
	})
	if err != nil || found[0] > 300_000 || found[0] < 285_000 {
		t.Errorf("want about 300,000, got %v, %v", found, err)
	}
}

// A single failure makes no difference, wherever in the search it happens.
func TestSearch_everyRateThatFailedIsTriedAgain(t *testing.T) {
	once := search
	once.Rounds = 1
	for busy := range 16 {
		trials := 0
		found, err := once.Highest(t.Context(), func(_ context.Context, rate int) (int, error) {
			if trials++; trials == busy {
				return 1, nil
			}
			return max(0, rate-300_000), nil
		})
		if err != nil || found[0] > 300_000 || found[0] < 285_000 {
			t.Errorf("busy at trial %d: want about 300,000, got %v, %v", busy, found, err)
		}
	}
}

// With two rounds, a lucky or a disturbed round would decide the median.
func TestSearch_endsAfterAnOddNumberOfRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := func(rounds int, most time.Duration) (tried int) {
			bounded := search
			bounded.Rounds, bounded.Most = rounds, most
			_, err := bounded.Highest(t.Context(), func(_ context.Context, rate int) (int, error) {
				tried++
				time.Sleep(time.Second)
				return max(0, rate-300_000), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return tried
		}
		one, three := tries(1, time.Hour), tries(3, time.Hour)
		for most, want := range map[time.Duration]int{
			time.Duration(one)*time.Second - 1: one,
			time.Duration(one) * time.Second:   three,
		} {
			if got := tries(5, most); got != want {
				t.Errorf("%s: want %d trials, got %d", most, want, got)
			}
		}
	})
}

func TestSearch_isBoundedAndEndsWithAnError(t *testing.T) {
	bounded, tried := search, 0
	bounded.Most = 0
	if found, err := bounded.Highest(t.Context(), upTo(50_000, &tried)); err != nil || found[0] < 48_000 || tried > 12 {
		t.Errorf("want one round where there is no time for more, got %v, %v after %d trials", found, err, tried)
	}
	_, err := search.Highest(t.Context(), func(context.Context, int) (int, error) { return 0, os.ErrClosed })
	if !errors.Is(err, os.ErrClosed) {
		t.Errorf("want the error of a trial, got %v", err)
	}
}

func TestFill_leavesEventsInTheJournal(t *testing.T) {
	directory := t.TempDir()
	if err := bare.Fill(t.Context(), directory, 300); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(directory); err != nil || len(entries) == 0 {
		t.Errorf("want a journal, got %v, %v", entries, err)
	}
}

// handlerArgument, as the first argument, makes the test binary the bare handler.
const handlerArgument = "bare-handler"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == handlerArgument {
		if err := bare.Serve(os.Stdin, os.Stdout); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// startHandler starts the bare handler in a process of its own.
func startHandler(t *testing.T) *bare.Handler {
	t.Helper()
	h, err := bare.StartHandler(t.Context(), os.Args[0], handlerArgument)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHandler_endsWhenItIsToldTo(t *testing.T) {
	h := startHandler(t)
	if conn, err := net.Dial("tcp", h.Address()); err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", h.Address()); err == nil {
		conn.Close()
		t.Error("want nobody to listen any more")
	}
}

// The input may end before Serve has begun to serve.
func TestServe_endsWithItsInput(t *testing.T) {
	for range 100 {
		if err := bare.Serve(strings.NewReader(""), io.Discard); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStartHandler_saysThatTheCommandIsNone(t *testing.T) {
	for _, command := range [][]string{nil, {"/no/such/command"}, {"true"}} {
		if _, err := bare.StartHandler(t.Context(), command...); err == nil {
			t.Errorf("%q: want an error", command)
		}
	}
}

func TestCalls_measuresBothSides(t *testing.T) {
	handler, other := startHandler(t), startHandler(t)
	defer handler.Close()
	defer other.Close()
	get := []bare.Call{{Name: "get", Method: "GET", Target: "/"}}
	rates, err := bare.Calls(other.Address(), handler, get, 20*time.Millisecond, 1)
	if err != nil || len(rates) != 1 || rates[0].Rate <= 0 || rates[0].Ratio <= 0 {
		t.Errorf("want calls on both sides, got %+v, %v", rates, err)
	}
	strict := fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		if string(ctx.Host()) != ctx.LocalAddr().String() {
			ctx.SetStatusCode(fasthttp.StatusMisdirectedRequest)
		}
	}}
	defer func() { _ = strict.Shutdown() }()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = strict.Serve(listener) }()
	if _, err := bare.Calls(listener.Addr().String(), handler, get, 20*time.Millisecond, 1); err != nil {
		t.Errorf("want a call by the address of the server, got %v", err)
	}
	if _, err := bare.Calls("127.0.0.1:1", handler, get, time.Millisecond, 1); err == nil {
		t.Error("want an error where nobody listens")
	}
}

func TestReceiver_counts(t *testing.T) {
	r, err := bare.NewReceiver()
	if err != nil {
		t.Fatal(err)
	}
	if lost, err := r.Try(t.Context(), load.Flood(10_000, 500, 0)); err != nil || lost != 0 || r.Count() != 500 {
		t.Errorf("want 500 datagrams counted and none lost, got %d, %d lost, %v", r.Count(), lost, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
