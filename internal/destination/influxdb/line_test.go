package influxdb

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"butler/internal/text"
)

// lineOf returns a point in line protocol, without its line break.
func lineOf(p point) []byte { return bytes.TrimSuffix(new(composer).line(nil, p), []byte("\n")) }

func TestLine_encodesToTheByte(t *testing.T) {
	at := time.Unix(0, 1778070225123000000)
	field := map[string]any{"f": 1.0}
	rows := map[string]struct {
		point point
		want  string
	}{
		"tags and fields sorted": {
			point{"m", map[string]string{"b": "2", "a": "1"}, map[string]any{"z": "x", "y": true, "x": 0.5}, at},
			`m,a=1,b=2 x=0.5,y=true,z="x" 1778070225123000000`,
		},
		"comma, equals and space escaped": {
			point{"m", map[string]string{"a b,c=d": "e f,g=h"}, map[string]any{"i j,k=l": 1.0}, at},
			`m,a\ b\,c\=d=e\ f\,g\=h i\ j\,k\=l=1 1778070225123000000`,
		},
		"measurement escaped": {
			point{"a b,c=d", nil, field, at},
			`a\ b\,c=d f=1 1778070225123000000`,
		},
		"line breaks and tabs in names become spaces": {
			point{"m", map[string]string{"a": "x\ny\rz\tw"}, field, at},
			`m,a=x\ y\ z\ w f=1 1778070225123000000`,
		},
		"trailing backslashes stripped": {
			point{"m", map[string]string{"a": `CORP\joe\\`, `k\`: "v"}, field, at},
			`m,a=CORP\joe,k=v f=1 1778070225123000000`,
		},
		"empty tags left out": {
			point{"m", map[string]string{"a": "", "b": `\`, "": "c"}, field, at},
			`m f=1 1778070225123000000`,
		},
		"reserved tags left out": {
			point{"m", map[string]string{"time": "x", "_field": "y", "_measurement": "z"}, field, at},
			`m f=1 1778070225123000000`,
		},
		"names that become one are written once": {
			point{"m", map[string]string{"a\n": "1", "a ": "2"}, field, at},
			`m,a\ =2 f=1 1778070225123000000`,
		},
		"quotes and backslashes in texts escaped, line breaks kept": {
			point{"m", nil, map[string]any{"f": "say \"hi\" C:\\x\r\n\ty"}, at},
			"m f=\"say \\\"hi\\\" C:\\\\x\r\n\ty\" 1778070225123000000",
		},
		"numbers short, without exponent or suffix": {
			point{"m", nil, map[string]any{"a": 225.0, "b": 0.08333333333333333, "c": 1e21, "d": -0.5, "e": 0.0}, at},
			`m a=225,b=0.08333333333333333,c=1000000000000000000000,d=-0.5,e=0 1778070225123000000`,
		},
		"numbers that are none left out": {
			point{"m", nil, map[string]any{"a": math.NaN(), "b": math.Inf(1), "c": math.Inf(-1), "f": 1.0}, at},
			`m f=1 1778070225123000000`,
		},
		"empty text is a value": {
			point{"m", nil, map[string]any{"f": ""}, at},
			`m f="" 1778070225123000000`,
		},
		"bytes that are no UTF-8 replaced": {
			point{"m", map[string]string{"a": "x\xff\xfey"}, map[string]any{"f": "\xff"}, at},
			"m,a=x\uFFFDy f=\"\uFFFD\" 1778070225123000000",
		},
		"no fields, no line": {
			point{"m", map[string]string{"a": "1"}, map[string]any{"f": math.NaN()}, at},
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

func TestLine_longTextsAreCutBetweenCharacters(t *testing.T) {
	long := strings.Repeat("日本語 ", 30_000)
	line := string(lineOf(point{"m", map[string]string{"tag": long}, map[string]any{"f": long}, time.Unix(0, 1)}))
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

// hostileString draws texts that are full of what the protocol gives a meaning to.
func hostileString() *rapid.Generator[string] {
	pieces := rapid.SliceOfN(rapid.OneOf(
		rapid.SampledFrom([]string{",", "=", " ", `\`, `"`, "\n", "\r", "\t", "\x00", "\xff", "é", "🚀", "time", `\,`, `\ `, `\"`, "a"}),
		rapid.String(),
	), 0, 8)
	return rapid.Custom(func(t *rapid.T) string { return strings.Join(pieces.Draw(t, "pieces"), "") })
}

func TestLine_hostileNamesRoundTripOrAreNeutralised(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := point{
			measurement: "m",
			tags:        rapid.MapOfN(hostileString(), hostileString(), 0, 5).Draw(t, "tags"),
			fields:      map[string]any{"always": 1.0},
			at:          time.Unix(0, rapid.Int64().Draw(t, "at")),
		}
		for key, text := range rapid.MapOfN(hostileString(), hostileString(), 0, 3).Draw(t, "fields") {
			p.fields[key] = text
		}
		got, err := parseLines(string(lineOf(p)))
		if err != nil {
			t.Fatal(err)
		}
		want := parsed{Measurement: "m", Tags: map[string]string{}, Fields: map[string]any{}, Time: p.at.UnixNano()}
		for _, tag := range cleanTags(nil, p.tags) {
			want.Tags[tag.name] = tag.value
		}
		for _, field := range cleanFields(nil, p.fields) {
			key, value := field.name, field.value
			if text, ok := value.(string); ok {
				value = valid(text)
			}
			want.Fields[key] = value
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
		p := point{"m", map[string]string{key: tag, "task_name": tag}, map[string]any{"log_message": message}, time.Unix(0, 1)}
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
