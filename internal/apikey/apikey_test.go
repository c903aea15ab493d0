package apikey

import (
	"strings"
	"testing"
)

func TestAllows_byScopeAndTag(t *testing.T) {
	for name, row := range map[string]struct {
		who   Principal
		scope Scope
		tags  []string
		want  bool
	}{
		"nobody":                            {Principal{}, Read, nil, false},
		"its scope":                         {Principal{Scopes: []Scope{Read, KV}}, KV, nil, true},
		"another scope":                     {Principal{Scopes: []Scope{Read, KV}}, Files, nil, false},
		"start is not read":                 {Principal{Scopes: []Scope{Start}}, Read, nil, false},
		"files is not admin":                {Principal{Scopes: []Scope{Read, Start, KV, Files}}, Admin, nil, false},
		"admin is everything":               {Principal{Scopes: []Scope{Admin}}, Start, nil, true},
		"a scope that does not exist":       {Principal{Scopes: []Scope{Read}}, "Read", nil, false},
		"start, bound to nothing":           {Principal{Scopes: []Scope{Start}}, Start, []string{"finance"}, true},
		"start, bound, one of the tags":     {Principal{Scopes: []Scope{Start}, Tags: []string{"hr", "finance"}}, Start, []string{"daily", "finance"}, true},
		"start, bound, other tags":          {Principal{Scopes: []Scope{Start}, Tags: []string{"finance"}}, Start, []string{"hr"}, false},
		"start, bound, a task without tags": {Principal{Scopes: []Scope{Start}, Tags: []string{"finance"}}, Start, nil, false},
		"start, bound, another letter case": {Principal{Scopes: []Scope{Start}, Tags: []string{"finance"}}, Start, []string{"Finance"}, false},
		"start, bound, an empty tag":        {Principal{Scopes: []Scope{Start}, Tags: []string{"finance"}}, Start, []string{""}, false},
		"tags bind start alone":             {Principal{Scopes: []Scope{Start, KV}, Tags: []string{"finance"}}, KV, nil, true},
		"tags without the scope start":      {Principal{Scopes: []Scope{KV}, Tags: []string{"finance"}}, Start, []string{"finance"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Allows(row.who, row.scope, row.tags); got != row.want {
				t.Errorf("want %v, got %v", row.want, got)
			}
		})
	}
}

func TestPrincipal_hasAScopeThatTagsBind(t *testing.T) {
	p := Principal{Scopes: []Scope{Start}, Tags: []string{"finance"}}
	if !p.Has(Start) || p.Has(Read) {
		t.Error("want start and nothing else")
	}
}

func TestCheckName_refusesWhatLooksLikeSomethingElse(t *testing.T) {
	for name, tidy := range map[string]string{
		"sales":                  "sales",
		"Load script 2, Oslo":    "Load script 2- Oslo",
		"anna@example.com":       "anna@example.com",
		" sales":                 "sales",
		"sales.":                 "sales",
		"s\u0430les":             "s-les", // a Cyrillic letter
		"sales\u202egnp":         "sales-gnp",
		"sales\nmsg=ok":          "sales-msg-ok",
		"\x1b[2Jsales":           "2Jsales",
		"søk":                    "s-k",
		"":                       "",
		"☃":                      "",
		strings.Repeat("x", 100): strings.Repeat("x", 64),
	} {
		if got := TidyName(name); got != tidy {
			t.Errorf("%q: want the name %q, got %q", name, tidy, got)
		}
		if err := CheckName(name); (err == nil) != (name == tidy && name != "") {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestCheckGrant_scopesAndTagsThatMeanSomething(t *testing.T) {
	many := strings.Fields(strings.Repeat("t ", maxTags+1))
	for name, row := range map[string]struct {
		scopes []Scope
		tags   []string
		want   string // "" for a good grant
	}{
		"one scope":                 {[]Scope{Read}, nil, ""},
		"every scope":               {Scopes(), nil, ""},
		"tags for start":            {[]Scope{KV, Start}, []string{"finance", "økonomi 2"}, ""},
		"no scope":                  {nil, nil, "a scope is needed: read, start, kv, files, events, admin"},
		"an unknown scope":          {[]Scope{"write"}, nil, `"write" is none of read, start`},
		"another letter case":       {[]Scope{"Admin"}, nil, `"Admin" is none of`},
		"a scope twice":             {[]Scope{KV, KV}, nil, "kv is there twice"},
		"a scope with an escape":    {[]Scope{"\x1b[2J"}, nil, `"\x1b[2J" is none of`},
		"tags without start":        {[]Scope{KV}, []string{"finance"}, "tags are for the scope start"},
		"tags that admin overrides": {[]Scope{Start, Admin}, []string{"finance"}, "bind nothing with the scope admin"},
		"an empty tag":              {[]Scope{Start}, []string{""}, "a tag is empty"},
		"a tag with blanks":         {[]Scope{Start}, []string{"finance "}, "blanks around it"},
		"a tag with hidden letters": {[]Scope{Start}, []string{"fin\u200bance"}, "nobody sees"},
		"a tag that is no text":     {[]Scope{Start}, []string{"fin\xffance"}, "nobody sees"},
		"a tag twice":               {[]Scope{Start}, []string{"a", "a"}, `"a" is there twice`},
		"a long tag":                {[]Scope{Start}, []string{strings.Repeat("x", 257)}, "longer than 256"},
		"many tags":                 {[]Scope{Start}, many, "33 tags are more than 32"},
	} {
		t.Run(name, func(t *testing.T) {
			err := checkGrant(row.scopes, row.tags)
			if row.want == "" {
				if err != nil {
					t.Errorf("want it accepted, got %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("want %q, got %v", row.want, err)
			}
		})
	}
}
