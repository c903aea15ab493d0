package influxdb

import (
	"bytes"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"butler/internal/text"
)

// lineOf returns a point in line protocol, without its line break.
func lineOf(p point) []byte { return bytes.TrimSuffix(p.appendLine(nil), []byte("\n")) }

// pointOf returns a point with tags and fields in any order.
func pointOf(measurement string, tags map[string]string, fields map[string]any, at time.Time) point {
	p := point{measurement: measurement, at: at}
	for name, tag := range tags {
		p.tag(name, tag)
	}
	for name, field := range fields {
		switch v := field.(type) {
		case float64:
			p.number(name, v)
		case string:
			p.text(name, v)
		case bool:
			p.truth(name, v)
		}
	}
	return p
}

// tagsOf and fieldsOf return the tags and fields of a point by their given names.
func tagsOf(p point) map[string]string {
	out := map[string]string{}
	for _, t := range p.tags {
		out[t.given] = t.value
	}
	return out
}

func fieldsOf(p point) map[string]any {
	out := map[string]any{}
	for _, f := range p.fields {
		switch f.value.kind {
		case aNumber:
			out[f.given] = f.value.number
		case aText:
			out[f.given] = f.value.text
		case aTruth:
			out[f.given] = f.value.number != 0
		}
	}
	return out
}

func TestLine_encodesToTheByte(t *testing.T) {
	at := time.Unix(0, 1778070225123000000)
	field := map[string]any{"f": 1.0}
	rows := map[string]struct {
		point point
		want  string
	}{
		"tags and fields sorted": {
			pointOf("m", map[string]string{"b": "2", "a": "1"}, map[string]any{"z": "x", "y": true, "x": 0.5}, at),
			`m,a=1,b=2 x=0.5,y=true,z="x" 1778070225123000000`,
		},
		"comma, equals and space escaped": {
			pointOf("m", map[string]string{"a b,c=d": "e f,g=h"}, map[string]any{"i j,k=l": 1.0}, at),
			`m,a\ b\,c\=d=e\ f\,g\=h i\ j\,k\=l=1 1778070225123000000`,
		},
		"measurement escaped": {
			pointOf("a b,c=d", nil, field, at),
			`a\ b\,c=d f=1 1778070225123000000`,
		},
		"line breaks and tabs in names become spaces": {
			pointOf("m", map[string]string{"a": "x\ny\rz\tw"}, field, at),
			`m,a=x\ y\ z\ w f=1 1778070225123000000`,
		},
		"trailing backslashes stripped": {
			pointOf("m", map[string]string{"a": `CORP\joe\\`, `k\`: "v"}, field, at),
			`m,a=CORP\joe,k=v f=1 1778070225123000000`,
		},
		"empty tags left out": {
			pointOf("m", map[string]string{"a": "", "b": `\`, "": "c"}, field, at),
			`m f=1 1778070225123000000`,
		},
		"reserved tags left out": {
			pointOf("m", map[string]string{"time": "x", "_field": "y", "_measurement": "z"}, field, at),
			`m f=1 1778070225123000000`,
		},
		"names that become one are written once": {
			pointOf("m", map[string]string{"a\n": "1", "a ": "2"}, field, at),
			`m,a\ =2 f=1 1778070225123000000`,
		},
		"quotes and backslashes in texts escaped, line breaks kept": {
			pointOf("m", nil, map[string]any{"f": "say \"hi\" C:\\x\r\n\ty"}, at),
			"m f=\"say \\\"hi\\\" C:\\\\x\r\n\ty\" 1778070225123000000",
		},
		"numbers short, without exponent or suffix": {
			pointOf("m", nil, map[string]any{"a": 225.0, "b": 0.08333333333333333, "c": 1e21, "d": -0.5, "e": 0.0}, at),
			`m a=225,b=0.08333333333333333,c=1000000000000000000000,d=-0.5,e=0 1778070225123000000`,
		},
		"numbers that are none left out": {
			pointOf("m", nil, map[string]any{"a": math.NaN(), "b": math.Inf(1), "c": math.Inf(-1), "f": 1.0}, at),
			`m f=1 1778070225123000000`,
		},
		"empty text is a value": {
			pointOf("m", nil, map[string]any{"f": ""}, at),
			`m f="" 1778070225123000000`,
		},
		"bytes that are no UTF-8 replaced": {
			pointOf("m", map[string]string{"a": "x\xff\xfey"}, map[string]any{"f": "\xff"}, at),
			"m,a=x\uFFFDy f=\"\uFFFD\" 1778070225123000000",
		},
		"given twice, what was given last": {
			twice(at),
			`m,a=2 f="x",g=true 1778070225123000000`,
		},
		"no fields, no line": {
			pointOf("m", map[string]string{"a": "1"}, map[string]any{"f": math.NaN()}, at),
			``,
		},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(row.want, string(lineOf(row.point))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// twice returns a point in which every tag and field is set twice, or removed again.
func twice(at time.Time) point {
	p := point{measurement: "m", at: at}
	for _, tag := range []string{"1", "2"} {
		p.tag("a", tag)
	}
	p.tag("b", "1")
	p.tag("b", "")
	p.number("f", 1)
	p.text("f", "x")
	p.truth("g", false)
	p.truth("g", true)
	p.number("h", 1)
	p.number("h", math.NaN())
	return p
}

func TestLine_longTextsAreCutBetweenCharacters(t *testing.T) {
	long := strings.Repeat("日本語 ", 30_000)
	line := string(lineOf(pointOf("m", map[string]string{"tag": long}, map[string]any{"f": long}, time.Unix(0, 1))))
	if !utf8.ValidString(line) {
		t.Error("the line is no UTF-8")
	}
	got, err := parseLines(line)
	if err != nil {
		t.Fatal(err)
	}
	text, tag := got[0].Fields["f"].(string), got[0].Tags["tag"]
	if len(text) > maxField || len(text) < maxField-3 || !strings.HasPrefix(long, text) {
		t.Errorf("the text has %d bytes, want the first %d", len(text), maxField)
	}
	if len(tag) > maxName || len(tag) < maxName-3 || !strings.HasPrefix(long, tag) {
		t.Errorf("the tag has %d bytes, want the first %d", len(tag), maxName)
	}
}

// hostileString draws texts with many characters that are special in the protocol.
func hostileString() *rapid.Generator[string] {
	pieces := rapid.SliceOfN(rapid.OneOf(
		rapid.SampledFrom([]string{",", "=", " ", `\`, `"`, "\n", "\r", "\t", "\x00", "\xff", "é", "🚀", "time", `\,`, `\ `, `\"`, "a"}),
		rapid.String(),
	), 0, 8)
	return rapid.Custom(func(t *rapid.T) string { return strings.Join(pieces.Draw(t, "pieces"), "") })
}

// given draws names with texts. Names may be repeated.
func given(t *rapid.T, what string) [][2]string {
	names := rapid.SliceOfN(hostileString(), 1, 4).Draw(t, "names of "+what)
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [2]string {
		return [2]string{rapid.SampledFrom(names).Draw(t, "name"), hostileString().Draw(t, "text")}
	}), 0, 6).Draw(t, what)
}

// written returns the expected names and texts: the last text of each name, with the name
// cleaned.
func written(all [][2]string, fit func(name, text string) bool) map[string]string {
	last, out := map[string]string{}, map[string]string{}
	for _, g := range all {
		last[g[0]] = g[1]
	}
	for _, name := range slices.Sorted(maps.Keys(last)) {
		if clean := cleanName(name); clean != "" && fit(clean, last[name]) {
			out[clean] = last[name]
		}
	}
	return out
}

func TestLine_hostileNamesRoundTripOrAreNeutralised(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tags, fields := given(t, "tags"), given(t, "fields")
		p := point{measurement: "m", at: time.Unix(0, rapid.Int64().Draw(t, "at"))}
		p.number("always", 1)
		for _, g := range tags {
			p.tag(g[0], g[1])
		}
		for _, g := range fields {
			p.text(g[0], g[1])
		}
		got, err := parseLines(string(lineOf(p)))
		if err != nil {
			t.Fatal(err)
		}
		want := parsed{Measurement: "m", Tags: map[string]string{}, Fields: map[string]any{"always": 1.0}, Time: p.at.UnixNano()}
		for name, text := range written(tags, func(name, text string) bool { return cleanName(text) != "" && !slices.Contains(reservedTags, name) }) {
			want.Tags[name] = cleanName(text)
		}
		for name, text := range written(fields, func(string, string) bool { return true }) {
			want.Fields[name] = valid(text)
		}
		if diff := cmp.Diff([]parsed{want}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func FuzzLine_isOnePointForAnyText(f *testing.F) {
	f.Add("Reload of Sales", `CORP\anna`, "done")
	f.Add("a,b=c d\\", "x\ny", "\"quoted\"\\\r\nsecond")
	f.Add("\xff\xfe", `\`, "")
	f.Fuzz(func(t *testing.T, key, tag, message string) {
		p := pointOf("m", map[string]string{key: tag, "task_name": tag}, map[string]any{"log_message": message}, time.Unix(0, 1))
		got, err := parseLines(string(lineOf(p)))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 {
			t.Fatalf("want one point, got %d", len(got))
		}
		if want := text.FirstBytes(valid(message), maxField); got[0].Fields["log_message"] != want {
			t.Errorf("the text is %q, want %q", got[0].Fields["log_message"], want)
		}
	})
}
