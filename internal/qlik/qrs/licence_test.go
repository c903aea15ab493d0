package qrs

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/qlik/qliktest"
	"butler/messages"
)

func TestLicense(t *testing.T) {
	c, server := plain(t, always(qliktest.Response{Body: `{"isExpired":true,"keyDetails":"Allotments:\n\u001b- Name: analyzer\nValid To: 2026-12-31\n","name":"Example Corp","organization":"Example"}`}))
	got, err := c.License(t.Context())
	want := License{Expired: true, KeyDetails: "Allotments:\n- Name: analyzer\nValid To: 2026-12-31\n", Name: "Example Corp", Organization: "Example"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("licence (-want +got):\n%s\n%v", diff, err)
	}
	if r := server.Requests()[0]; r.Path != "license" || r.RawQuery != "" {
		t.Errorf("asked for %s?%s", r.Path, r.RawQuery)
	}
}

func TestAccessOverview_aKindThatIsMissingIsNotEnabled(t *testing.T) {
	c, _ := plain(t, always(qliktest.Response{Body: `{"totalTokens":5,"userAccess":{"enabled":true,"usedTokens":3},
		"professionalAccess":{"enabled":true,"total":50,"allocated":40,"used":35,"quarantined":1,"available":9,"excess":0},"analyzerAccess":null}`}))
	got, err := c.AccessOverview(t.Context())
	want := AccessOverview{
		TotalTokens: 5, User: UserAccess{Enabled: true, UsedTokens: 3},
		Professional: SeatAccess{Enabled: true, Total: 50, Allocated: 40, Used: 35, Quarantined: 1, Available: 9},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("overview (-want +got):\n%s\n%v", diff, err)
	}
}

func TestUnusedSince_neverTakesTheUnclearForReleasable(t *testing.T) {
	user := `"user":{"id":"` + idC + `","userId":"jdoe","userDirectory":"LAB","name":"Jane"}`
	c, server := plain(t, always(qliktest.Response{Body: `[
		{"id":"` + idA + `","lastUsed":"2025-11-02T08:15:00.000Z","quarantined":false,` + user + `},
		{"id":"` + idB + `"}]`}))
	got, err := c.UnusedSince(t.Context(), Analyzer, time.Date(2026, 1, 1, 0, 59, 59, 999e6, time.FixedZone("", 3600)))
	want := []Allocation{
		{ID: idA, LastUsed: "2025-11-02T08:15:00.000Z", Owner: idC, UserDirectory: "LAB", UserID: "jdoe", UserName: "Jane"},
		{ID: idB, Quarantined: true},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("licences (-want +got):\n%s\n%v", diff, err)
	}
	if r := server.Requests()[0]; r.Path != "license/analyzeraccesstype/full" || r.Filter != "lastUsed le '2025-12-31T23:59:59.999Z'" {
		t.Errorf("asked for %s with %s", r.Path, r.Filter)
	}
}

func TestRelease_deletesOnce(t *testing.T) {
	c, server := plain(t, always(qliktest.Response{Status: http.StatusNoContent}))
	if err := c.Release(t.Context(), Professional, idA); err != nil {
		t.Fatalf("Release: %v", err)
	}
	if r := server.Requests()[0]; r.Method != http.MethodDelete || r.Path != "license/professionalaccesstype/"+idA {
		t.Errorf("request = %s %s", r.Method, r.Path)
	}
	c, server = plain(t, always(qliktest.Response{Reset: true}))
	if kind := kindOf(t, c.Release(t.Context(), Professional, idA)); kind != messages.FailureUnavailable || len(server.Requests()) != 1 {
		t.Errorf("a broken connection: %v after %d requests, want unavailable after 1", kind, len(server.Requests()))
	}
	if kind := kindOf(t, c.Release(t.Context(), Professional, "../"+idA)); kind != messages.FailureRejected {
		t.Errorf("a strange ID: %v, want rejected", kind)
	}
}

func TestAccount(t *testing.T) {
	c, _ := plain(t, always(qliktest.Response{Body: `{"id":"` + idC + `","inactive":true,"blacklisted":true,"removedExternally":false,
		"tags":[{"name":"keep"}],"customProperties":[{"value":"keep","definition":{"name":"LicencePolicy"}}]}`}))
	got, err := c.Account(t.Context(), idC)
	want := Account{Tags: []string{"keep"}, Properties: []messages.Property{{Name: "LicencePolicy", Value: "keep"}}, Inactive: new(true), Blocked: new(true), RemovedExternally: new(false)}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("account (-want +got):\n%s\n%v", diff, err)
	}
	c, _ = plain(t, always(qliktest.Response{Body: `{"id":"` + idC + `","inactive":null,"blacklisted":"true"}`}))
	if got, err := c.Account(t.Context(), idC); err != nil || got.Inactive != nil || got.Blocked != nil || got.RemovedExternally != nil {
		t.Errorf("want nothing known of an account whose states are missing or no switches, got %+v, %v", got, err)
	}
	many := strings.TrimSuffix(strings.Repeat(`{"name":"t"},`, maxListLength+1), ",")
	c, _ = plain(t, always(qliktest.Response{Body: `{"id":"` + idC + `","tags":[` + many + `]}`}))
	if _, err := c.Account(t.Context(), idC); kindOf(t, err) != messages.FailureInvalid {
		t.Errorf("an account with too many tags: %v, want invalid", err)
	}
}

func TestAccount_tellsWhatItDoesNotKnowOfTagsAndProperties(t *testing.T) {
	for of, row := range map[string]struct{ tags, properties bool }{
		`"tags":[],"customProperties":[]`:                                                  {false, false},
		`"tags":[{"name":"t"}],"customProperties":[{"value":5,"definition":{"name":"p"}}]`: {false, false},
		``:                                                    {true, true},
		`"tags":null,"customProperties":{}`:                   {true, true},
		`"tags":"keep","customProperties":[5]`:                {true, true},
		`"tags":["keep"],"customProperties":[]`:               {true, false},
		`"tags":[{"name":""}],"customProperties":[]`:          {true, false},
		`"tags":[null],"customProperties":[{"value":"keep"}]`: {true, true},
	} {
		c, _ := plain(t, always(qliktest.Response{Body: strings.TrimSuffix(`{"id":"`+idC+`",`+of, ",") + "}"}))
		got, err := c.Account(t.Context(), idC)
		if err != nil || got.TagsUnclear != row.tags || got.PropertiesUnclear != row.properties {
			t.Errorf("%s: want unclear %v, got %+v, %v", of, row, got, err)
		}
	}
}

func TestLicences_anOddAnswerIsNoGoodNews(t *testing.T) {
	for _, body := range []string{`{}`, `{"message":"Please log in"}`, `{"isExpired":null}`, `{"isExpired":1,"keyDetails":""}`, `{"enabled":true}`} {
		c, _ := plain(t, always(qliktest.Response{Body: body}))
		if got, err := c.License(t.Context()); kindOf(t, err) != messages.FailureInvalid {
			t.Errorf("%s as a licence: %+v, %v", body, got, err)
		}
		if got, err := c.AccessOverview(t.Context()); kindOf(t, err) != messages.FailureInvalid {
			t.Errorf("%s as access licences: %+v, %v", body, got, err)
		}
	}
}

func TestLicences_areRefusedWhereTheyAreLong(t *testing.T) {
	doc := `{"isExpired":false,"tokensEnabled":true,"version":"14.1"}`
	for spaces, wanted := range map[int]bool{maxPlainBytes - len(doc): true, maxPlainBytes - len(doc) + 1: false} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat(" ", spaces)+doc)
		}))
		defer server.Close()
		c := newClient(t, options(server.URL))
		_, licence := c.License(t.Context())
		_, overview := c.AccessOverview(t.Context())
		_, version := c.SystemInfo(t.Context())
		for of, err := range map[string]error{"licence": licence, "access licences": overview, "version": version} {
			if errors.Is(err, errTooLarge) == wanted || wanted && err != nil {
				t.Errorf("%s behind %d spaces: want it read %v, got %v", of, spaces, wanted, err)
			}
		}
	}
}

func TestLicense_readsASwitchThatIsWrittenAsText(t *testing.T) {
	for body, expired := range map[string]bool{`{"isExpired":"true"}`: true, `{"isExpired":"False"}`: false, `{"isExpired":false}`: false, `{"keyDetails":"Allotments:"}`: false} {
		c, _ := plain(t, always(qliktest.Response{Body: body}))
		if got, err := c.License(t.Context()); err != nil || got.Expired != expired {
			t.Errorf("%s: want expired %v, got %+v, %v", body, expired, got, err)
		}
	}
}
