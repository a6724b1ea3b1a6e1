package report

import (
	"strconv"
	"strings"
	"time"
)

// FormatDuration writes a duration for people: 82.2 s, 11.9 ms, 40 µs. One
// that was not measured is "-".
func FormatDuration(d time.Duration) string {
	switch {
	case d < 0:
		return "-"
	case d == 0:
		return "0 s"
	case d < 100*time.Microsecond:
		return FormatNumber(float64(d)/1e3, 0) + " µs"
	case d < time.Second:
		return FormatNumber(float64(d)/1e6, 1) + " ms"
	}
	return FormatNumber(d.Seconds(), 1) + " s"
}

// FormatCount writes a count for people: 18,204.
func FormatCount(n uint64) string {
	return thousands(strconv.FormatUint(n, 10))
}

// FormatNumber writes a number with so many decimals for people: 1,234.5.
func FormatNumber(x float64, decimals int) string {
	return thousands(strconv.FormatFloat(x, 'f', decimals, 64))
}

// thousands puts a comma between thousands.
func thousands(number string) string {
	integer, fraction, hasFraction := strings.Cut(number, ".")
	sign := ""
	if strings.HasPrefix(integer, "-") {
		sign, integer = "-", integer[1:]
	}
	for i := len(integer) - 3; i > 0; i -= 3 {
		integer = integer[:i] + "," + integer[i:]
	}
	if hasFraction {
		integer += "." + fraction
	}
	return sign + integer
}
