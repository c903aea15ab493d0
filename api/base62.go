package api

import (
	"math/big"
	"net/http"
	"slices"
	"strings"

	"butler/api/web"
)

// The endpoints that convert numbers between base 62 and base 16.

// maxDigits bounds a number to convert: the cost grows with the square of its length.
const maxDigits = 1024

const (
	digits16 = "0123456789abcdef"
	digits62 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// conversion is a number in both bases.
type conversion struct {
	Base62 string `json:"base62"`
	Base16 string `json:"base16"`
}

func base62To16(c *call) (int, any, error) {
	given, err := digitsOf(c, "base62", digits62)
	return http.StatusOK, conversion{Base62: given, Base16: convert(given, digits62, digits16)}, err
}

func base16To62(c *call) (int, any, error) {
	given, err := digitsOf(c, "base16", digits16+"ABCDEF")
	return http.StatusOK, conversion{Base16: given, Base62: convert(strings.ToLower(given), digits16, digits62)}, err
}

// digitsOf returns a query parameter that consists of digits of an alphabet.
func digitsOf(c *call, name, alphabet string) (string, error) {
	text, err := c.queryText(name)
	switch {
	case err != nil:
		return "", err
	case len(text) > maxDigits:
		return "", web.Problemf(http.StatusBadRequest, web.CodeValidation, "querystring/%s must NOT have more than %d characters", name, maxDigits)
	case strings.Trim(text, alphabet) != "":
		return "", web.Problemf(http.StatusBadRequest, web.CodeValidation, "querystring/%s must have digits of %s only", name, name)
	}
	return text, nil
}

// convert writes a number of one alphabet in another, without leading zeros.
func convert(number, from, to string) string {
	n, base := new(big.Int), big.NewInt(int64(len(from)))
	for _, digit := range number {
		n.Add(n.Mul(n, base), big.NewInt(int64(strings.IndexRune(from, digit))))
	}
	if n.Sign() == 0 {
		return "0"
	}
	base.SetInt64(int64(len(to)))
	var out []byte
	for digit := new(big.Int); n.Sign() > 0; {
		n.DivMod(n, base, digit)
		out = append(out, to[digit.Int64()])
	}
	slices.Reverse(out)
	return string(out)
}
