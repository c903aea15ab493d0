package scm

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"

	"butler/internal/winsvc"
)

func TestManager_returnsWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := make(chan struct{})
		m := newManager(func(host string, _ []string) ([]winsvc.Answer, error) {
			if host == "slow" {
				<-hangs
			}
			return []winsvc.Answer{{Name: "Spooler"}}, nil
		})
		ask := func(host string) error {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err := m.Query(ctx, host, []string{"Spooler"})
			return err
		}
		if err := ask("slow"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("want the deadline, got %v", err)
		}
		if err := ask("slow"); !errors.Is(err, errBusy) {
			t.Errorf("want no second call while the first one hangs, got %v", err)
		}
		if err := ask("quick"); err != nil {
			t.Errorf("want another host asked, got %v", err)
		}
		close(hangs)
		synctest.Wait()
		if err := ask("slow"); err != nil {
			t.Errorf("want the host asked again once the call has come back, got %v", err)
		}
	})
}

func TestManager_returnsAPanicAsAnError(t *testing.T) {
	m := newManager(func(string, []string) ([]winsvc.Answer, error) { panic("odd") })
	for range 2 {
		if _, err := m.Query(t.Context(), "sense1", nil); err == nil || !strings.Contains(err.Error(), "BUG") {
			t.Fatalf("want the panic as an error, got %v", err)
		}
	}
}

func TestManager_sanitisesTheTextsOfAHost(t *testing.T) {
	m := newManager(func(string, []string) ([]winsvc.Answer, error) {
		return []winsvc.Answer{{Service: winsvc.Service{
			DisplayName: "Print\r\n\x1b[31mSpooler", ExePath: strings.Repeat("x", 9_999), Dependencies: []string{"Rpc\x00Ss", "\u202e", "http"},
		}}}, nil
	})
	answers, err := m.Query(t.Context(), "sense1", nil)
	if err != nil {
		t.Fatal(err)
	}
	got := answers[0].Service
	if got.DisplayName != "Print [31mSpooler" || len([]rune(got.ExePath)) != maxText || !slices.Equal(got.Dependencies, []string{"RpcSs", "http"}) {
		t.Errorf("want clean texts of bounded length, got %+v", got)
	}
}

func TestMachineName_isEmptyForThisMachine(t *testing.T) {
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{"localhost": "", "127.0.0.1": "", "::1": "", ".": "", strings.ToUpper(own): "", "other.example.com": "other.example.com"} {
		if got := machineName(host); got != want {
			t.Errorf("%s: want %q, got %q", host, want, got)
		}
	}
}

func TestSplitMulti_stopsAtTheEndOfTheList(t *testing.T) {
	list := func(texts ...string) []uint16 {
		var out []uint16
		for _, s := range texts {
			out = append(append(out, utf16.Encode([]rune(s))...), 0)
		}
		return out
	}
	for name, row := range map[string]struct {
		units []uint16
		want  []string
	}{
		"two names":                       {append(list("RpcSs", "Dienst für Größen"), 0, 'x', 0), []string{"RpcSs", "Dienst für Größen"}},
		"no name":                         {[]uint16{0}, nil},
		"nothing":                         {nil, nil},
		"a name without its end":          {[]uint16{'R', 'p', 'c'}, nil},
		"no end of the list":              {list("RpcSs"), []string{"RpcSs"}},
		"more names than anybody depends": {list(slices.Repeat([]string{"a"}, 100)...), slices.Repeat([]string{"a"}, maxDependencies)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := splitMulti(row.units); !slices.Equal(got, row.want) {
				t.Errorf("want %q, got %q", row.want, got)
			}
		})
	}
}

func TestNative_existsOnlyOnWindows(t *testing.T) {
	if _, ok := Native(); ok != (runtime.GOOS == "windows") {
		t.Errorf("want native service control managers on Windows only, got %t on %s", ok, runtime.GOOS)
	}
}
