package text

import "strings"

// Nearest returns the candidate that word is most likely a misspelling of, or "".
func Nearest(word string, candidates []string) string {
	best, bestDistance := "", len(word)/3+1
	if len(word) <= 4 {
		bestDistance = 1 // after two errors, too little of a short word is left
	}
	for _, c := range candidates {
		if len(word) > 2*len(c)+4 {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d < bestDistance || d == bestDistance && best == "" {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is the number of letters to insert, remove, replace or swap with their
// neighbour to turn a into b (optimal string alignment).
func distance(a, b string) int {
	previous, current, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range current {
		current[j] = j
	}
	for i := range len(a) {
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(current[j+1]+1, next[j]+1, current[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], previous[j-1]+1)
			}
		}
		previous, current, next = current, next, previous
	}
	return current[len(b)]
}
