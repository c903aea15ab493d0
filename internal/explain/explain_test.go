package explain_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"butler/internal/explain"
	"butler/internal/journal"
	"butler/internal/journal/memory"
	"butler/internal/outbox"
	"butler/internal/trail"
	"butler/internal/udp"
	"butler/messages"
)

const (
	taskID = "0d815a99-0b1e-4cb1-9c1c-4a4e3a8f1b11"
	first  = "6e9b2c1a-7d7f-4f0e-8a53-0d2b7f7a9a10"
	second = "6e9b2c1a-7d7f-4f0e-8a53-0d2b7f7a9a11"
)

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

// refusals are a quarantine.
type refusals []messages.QuarantinedDatagram

func (r refusals) List(int) ([]messages.QuarantinedDatagram, error) { return r, nil }

// entry is a datagram of an execution of the task.
func entry(execution string) []byte {
	payload := strings.Join([]string{
		"/scheduler-reload-failed/", "sense-1", "Daily sales", "Sales", `LAB\jdoe`, taskID,
		"e3b27f50-b1c0-4879-88fc-c7cdd9c1cf3e", "2026-05-06 12:00:00,000", "WARN", execution, "Max retries reached",
	}, ";")
	return udp.EncodeEntry(messages.Datagram{Payload: []byte(payload), Size: len(payload), Source: netip.MustParseAddrPort("10.0.0.5:51234"), At: noon})
}

// open returns an archive in which the datagrams of these executions are, each in a
// record of its own, and nothing else.
func open(t *testing.T, executions ...string) explain.Archive {
	t.Helper()
	ctx, store := context.Background(), memory.New()
	log := func(name string) journal.Log {
		out, err := store.Open(ctx, name, journal.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	ledger, err := journal.OpenLedger(ctx, log("ledger"), journal.LedgerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ledger.Close(ctx) })
	queue, err := journal.OpenQueue(ctx, "events", log("events"), ledger, journal.QueueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = queue.Close(ctx) })
	waiting, err := outbox.Open(ledger, outbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range executions {
		done := make(chan error, 1)
		queue.Append([][]byte{entry(id)}, func(_ journal.Seq, _ int, err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	return explain.Archive{
		Events: queue, Ledger: ledger, Outbox: waiting, Quarantine: refusals{}, KernelDrops: func() uint64 { return 0 },
		KeyOf: func(at messages.EventPosition) messages.ExecutionKey {
			return messages.ExecutionKey(fmt.Sprintf("place/%d", at.Seq))
		},
	}
}

func TestExplain_findsAnExecutionByWhateverItIsCalled(t *testing.T) {
	a := open(t, first, second, "")
	for asked, want := range map[string]string{
		first: first, strings.ToUpper(second): second, " {" + second + "} ": second, "place/3": "",
	} {
		story, err := a.Explain(t.Context(), asked)
		if err != nil {
			t.Fatal(err)
		}
		if story.State != trail.Deciding || len(story.Steps) != 1 || !strings.Contains(story.Steps[0].Payload, ";WARN;"+want+";") {
			t.Errorf("%q: want the datagram of %q, undecided, got %s, %v", asked, want, story.State, story.Steps)
		}
	}
}

func TestExplain_ofATaskNamesItsExecutions(t *testing.T) {
	story, err := open(t, first, second, first).Explain(t.Context(), taskID)
	if err != nil {
		t.Fatal(err)
	}
	if story.State != trail.Unknown || len(story.OfTask) != 2 || story.OfTask[0].ExecutionID != first || story.OfTask[1].State != trail.Deciding {
		t.Errorf("want both executions of the task, got %s, %+v", story.State, story.OfTask)
	}
}

func TestExplain_tellsOfRefusedDatagramsThatNameIt(t *testing.T) {
	a := open(t)
	a.Quarantine = refusals{{Reason: "field_count", Payload: "/scheduler-reload-failed/;" + strings.ToUpper(first)}, {Reason: "unknown_type"}}
	story, err := a.Explain(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	if story.State != trail.Refused || len(story.Steps) != 1 || !strings.Contains(story.Summary, "field_count") {
		t.Errorf("want the one that names it, got %s %q, %v", story.State, story.Summary, story.Steps)
	}
}

// What was accepted is in the journal, too. It must not look as if it were still under way.
func TestExplain_tellsOfWhatWasGivenUp(t *testing.T) {
	a := open(t, first, "")
	a.Quarantine = refusals{
		{Reason: messages.ReasonCrashed, Payload: "{}", Detail: "handling the event of execution place/2 crashed 6 times, see the log"},
		{Reason: messages.ReasonCrashed, Payload: "{}", Detail: "handling the event of execution place/22 crashed 6 times, see the log"},
		{Reason: messages.ReasonCrashed, Payload: `{"executionId":"` + first + `"}`, Detail: "handling the event of execution " + first + " crashed 6 times, see the log"},
	}
	for _, id := range []string{first, "place/2"} {
		story, err := a.Explain(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		want := "it was given up: handling the event of execution " + id + " crashed 6 times, see the log"
		if story.State != trail.Refused || story.Summary != want || len(story.Steps) != 2 {
			t.Errorf("%s: want it received and given up, got %s %q, %v", id, story.State, story.Summary, story.Steps)
		}
	}
}

func TestReceived_isBounded(t *testing.T) {
	got, err := open(t, first, second, first, first).Received(t.Context(), first, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Event.ExecutionID != first || got[1].Place.Seq != 3 {
		t.Errorf("want the first two datagrams of it, got %+v", got)
	}
}
