package coerce_test

import (
	"testing"

	"butler/internal/coerce"
)

func TestText_isDecimal(t *testing.T) {
	for number, want := range map[string]string{
		"5": "5", "-5": "-5", "12345678901234567890123": "12345678901234567890123",
		"12.5": "12.5", "12.50": "12.5", "2.0": "2", "1e3": "1000", "1E+3": "1000", "1.5e3": "1500", "15e-1": "1.5", "-0.10": "-0.1",
		"0": "0", "-0": "0", "0.0": "0", "-0.0": "0", "0e5": "0", "1e-400": "0",
		"1e20": "100000000000000000000", "1e21": "1e21", "-1e21": "-1e21", "1e400": "1e400",
		"0.000001": "0.000001", "1e-6": "0.000001", "1e-7": "1e-7",
	} {
		if got := coerce.Text(number); got != want {
			t.Errorf("want %s as %q, got %q", number, want, got)
		}
	}
}

func TestNumber_isWhatPeopleCallOne(t *testing.T) {
	for text, want := range map[string]float64{"5": 5, " 5 ": 5, "+5": 5, "-5": -5, "1.7": 1.7, ".5": 0.5, "5.": 5, "5e2": 500, "5E-1": 0.5} {
		if got, ok := coerce.Number(text); !ok || got != want {
			t.Errorf("want %q to be %v, got %v, %t", text, want, got, ok)
		}
	}
	for _, text := range []string{"", " ", "x", "5x", "1_000", "0x10", "0x1p4", "inf", "Infinity", "NaN", "1e400", "1 2", "1,5", "５", "--1", "e5"} {
		if got, ok := coerce.Number(text); ok {
			t.Errorf("want %q to be no number, got %v", text, got)
		}
	}
}
